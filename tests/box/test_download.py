"""Models of the hub, downloaded to a real box from a hub on this computer."""

from __future__ import annotations

import hashlib
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.box.conftest import INVOKE, PROJECT, Box, Controller
from tests.support.hub_server import NOT_GRANTED, TOKEN, HubServer, Model

pytestmark = pytest.mark.box

TINY = PROJECT / "onecard/tiny_model/tiny-vqa"
LARGE = random.Random(11).randbytes(40_000_000)
FILES = {path.name: path.read_bytes() for path in TINY.iterdir()} | {"more/all.dat": LARGE}
# What vLLM does not load stays where it is.
STORED = FILES | {"original/all.pth": LARGE, "pytorch_model.bin": LARGE}
TOTAL = sum(len(content) for content in FILES.values())
FOLDER = "/opt/onecard/models/acme--tiny"


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.fixture
def hub(controller: Controller, box: Box, provisioned: Any) -> Iterator[HubServer]:
    """A hub that the box reaches, and no model of it on the box, before and after."""
    models = {"acme/tiny": Model(STORED), "acme/gated": Model(STORED, access="gated")}
    clean = "rm -rf /opt/onecard/models/acme--*"
    box(clean)
    with HubServer(models).serving(controller.address) as server:
        yield server
    box(clean)


@pytest.fixture
def settings(controller: Controller, hub: HubServer) -> Iterator[Callable[..., None]]:
    """Sets the box's model and hub; takes them back at the end."""
    file = controller.inventory / "host_vars" / "box1.yml"
    file.parent.mkdir(exist_ok=True)

    def write(source: str = "acme/tiny", revision: str = "", endpoint: str = "") -> None:
        model = {"source": source, "revision": revision, "name": "tiny-vqa"}
        values = {"model": model, "hub": {"endpoint": endpoint or hub.url}}
        file.write_text(yaml.safe_dump(values))

    write()
    yield write
    file.unlink()


def provision(controller: Controller, token: str = "") -> tuple[int, str, list[str]]:
    """Return the exit code, all that was printed, and the lines of errors."""
    environment = {"HF_TOKEN": token} if token else {}
    done = controller.invoke("provision", "--host", "sandbox", **environment)
    message = done.stdout + done.stderr
    assert "Traceback" not in message
    return (
        done.returncode,
        message,
        [line for line in message.splitlines() if line.startswith("error: ")],
    )


def digests(box: Box, folder: str) -> dict[str, str]:
    lines = box(f"cd {folder} && find . -type f ! -name .onecard-revision -exec sha256sum {{}} +")
    return {name[2:]: digest for digest, name in (line.split("  ") for line in lines.splitlines())}


WANTED = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}


def test_a_broken_off_download_goes_on_where_it_was(
    controller: Controller, box: Box, hub: HubServer, settings: Callable[..., None]
) -> None:
    hub.rate = 3e6  # bytes/s
    words = [INVOKE, "provision", "--host", "sandbox"]
    first = subprocess.Popen(
        words,
        cwd=PROJECT,
        env=controller.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: hub.total > 4_000_000, "the download did not begin")
    first.kill()  # the connection goes with it; the job on the box does not
    first.wait()
    seen = hub.total
    wait_for(lambda: hub.total > seen + 4_000_000, "the download ended with the connection")
    box("kill -9 $(pgrep -f hub_download.py)")
    wait_for(lambda: not box("pgrep -f hub_download.py || true"), "the download was not killed")
    stored = int(
        box(f"cd {FOLDER} && find . -type f -printf '%s\\n' | awk '{{s += $1}} END {{print s}}'")
    )
    assert stored > 8_000_000
    hub.rate = None
    time_of_kill = dict(hub.served)
    assert provision(controller)[0] == 0
    assert digests(box, FOLDER) == WANTED
    came_later = hub.total - sum(time_of_kill.values())
    # What was there was not sent again. (A cut connection's last chunks were sent and lost.)
    assert TOTAL - stored <= came_later + 4_000 <= TOTAL - stored + 1_000_000
    assert box(f"stat -c '%a %U' {FOLDER}/config.json").strip() == "644 root"
    lock = yaml.safe_load((controller.inventory / "locks" / "box1.yml").read_text())
    assert (lock["model"], lock["model_revision"]) == ("acme/tiny@", hub.models["acme/tiny"].commit)
    (host,) = controller.json("provision", "--host", "sandbox")["hosts"]
    assert (host["status"], host["changed"]) == ("ok", 0)


def test_a_spoilt_file_is_detected_and_downloaded_again(
    controller: Controller, box: Box, hub: HubServer, settings: Callable[..., None]
) -> None:
    assert provision(controller)[0] == 0
    hub.served.clear()
    box(
        f"cd {FOLDER} && printf X | dd of=model.safetensors bs=1 seek=1000 conv=notrunc 2>/dev/null\n"
        "touch -d '1 minute' model.safetensors  # the note knows seconds: this is not the same one"
    )
    planned = controller.invoke("plan", "--host", "sandbox")
    assert f"files: 1 of {len(FILES)} changed -> as verified" in planned.stderr
    assert provision(controller)[0] == 0
    assert digests(box, FOLDER) == WANTED
    assert set(hub.served) == {"model.safetensors"}


REFUSED = [
    ("acme/gated", "", "", "acme/gated is gated and there is no token (401)"),
    ("acme/gated", "", NOT_GRANTED, "this token's account has no access (403)"),
    ("acme/gated", "", "hf_typo", "the hub does not accept the token (401)"),
    ("acme/none", "", TOKEN, "there is no model acme/none at "),
    ("acme/tiny", "v9", "", "acme/tiny has no revision 'v9'"),
]


def test_what_the_hub_refuses_is_one_line(
    controller: Controller, box: Box, hub: HubServer, settings: Callable[..., None]
) -> None:
    for source, revision, token, message in REFUSED:
        settings(source, revision)
        code, _, (error,) = provision(controller, token)
        assert code == 1
        assert error.startswith(f"error: box1: base: {source} at the hub: ")
        assert message in error
    assert hub.total == 0
    assert box("ls -d /opt/onecard/models/acme--* 2>/dev/null || true") == ""


def test_a_token_opens_a_gated_model_and_leaves_no_trace(
    controller: Controller, box: Box, hub: HubServer, settings: Callable[..., None]
) -> None:
    settings("acme/gated", "v1")
    hub.rate = 8e6
    with watching(box) as seen:
        code, message, _ = provision(controller, TOKEN)
    assert code == 0
    assert digests(box, "/opt/onecard/models/acme--gated--v1") == WANTED
    assert hub.bytes_host_saw == []
    assert TOKEN not in message
    # grep's own command line has the token in two parts, or it would find itself.
    found = box(
        f"grep -rlsaF {TOKEN[:4]}''{TOKEN[4:]} /etc /opt/onecard /root /run /tmp /var --exclude-dir='venv*' "
        "2>/dev/null | grep -v ^/var/cache || true"
    )
    assert found == ""
    assert any("hub_download.py" in line for line in seen)
    assert not any(TOKEN in line for line in seen)


@contextmanager
def watching(box: Box) -> Iterator[list[str]]:
    """Collect the command lines and environments on the box while something runs."""
    seen: list[str] = []
    log = "/root/seen"
    pid = box(
        f"nohup sh -c 'while :; do ps axwwe -o args; sleep 0.2; done' >{log} 2>&1 & echo $!"
    ).strip()
    try:
        yield seen
    finally:
        seen += box(f"kill {pid}; cat {log}; rm {log}").splitlines()


def test_a_full_disk_is_reported_before_the_first_byte(
    controller: Controller, box: Box, hub: HubServer, settings: Callable[..., None]
) -> None:
    box("mount -t tmpfs -o size=280m,mode=0755 none /opt/onecard/models")
    try:
        code, _, (error,) = provision(controller)
        left = box("ls -A /opt/onecard/models")
    finally:
        box("umount /opt/onecard/models")
    assert code == 1
    assert "acme/tiny takes 41." in error
    assert "/opt/onecard/models has 280.0 MiB free: make room for " in error
    assert (hub.total, left) == (0, "")


def test_a_read_only_opt_is_reported_before_anything(
    controller: Controller, box: Box, hub: HubServer, settings: Callable[..., None]
) -> None:
    box("mount --bind /opt /opt && mount -o remount,bind,ro /opt")
    try:
        code, _, (error,) = provision(controller)
    finally:
        box("umount /opt")
    assert code == 1
    assert "/opt is on a read-only mount" in error
    assert "(nothing was changed)" in error
    assert hub.requests == []


def test_no_way_to_the_hub_is_one_line(
    controller: Controller, box: Box, hub: HubServer, settings: Callable[..., None]
) -> None:
    nowhere = hub.url.rpartition(":")[0] + ":9"
    settings(endpoint=nowhere)
    code, _, (error,) = provision(controller)
    assert code == 1
    assert f"the hub cannot be reached at {nowhere} (" in error
    assert box("ls -d /opt/onecard/models/acme--* 2>/dev/null || true") == ""


def test_a_hub_of_the_environment_is_taken(
    controller: Controller, box: Box, hub: HubServer, settings: Callable[..., None]
) -> None:
    file: Path = controller.inventory / "host_vars" / "box1.yml"
    file.write_text(yaml.safe_dump({"model": {"source": "acme/tiny"}}))
    done = controller.invoke("provision", "--host", "sandbox", HF_ENDPOINT=hub.url + "/")
    assert done.returncode == 0, done.stderr
    assert digests(box, FOLDER) == WANTED
