"""provision -> deploy -> smoke on a real box, over real SSH, with the real server."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import paramiko
import pytest
import testinfra
import yaml

from onecard import layout
from onecard.facts import Facts
from onecard.inventory import load
from onecard.locks.store import with_lock
from onecard.override import override
from onecard.resources.files import File
from roles import serve
from tests.box.conftest import INVOKE, PROJECT, Box, Controller
from tests.support.hub_server import HubServer, Model

pytestmark = pytest.mark.box

FINGERPRINT = (
    "find /etc -type f -exec sha256sum {} + | sort | sha256sum; dpkg -l | sha256sum; "
    "ls -A /opt /var/lib/onecard 2>/dev/null; getent passwd | sha256sum"
)


def test_check_touches_nothing_on_a_bare_box(controller: Controller, box: Box) -> None:
    before = box(FINGERPRINT)
    checked = controller.invoke("provision", "--host", "sandbox", "--check", "--diff")
    assert checked.returncode == 0, checked.stderr
    assert "python3-dev: absent -> installed" in checked.stderr
    pending = controller.invoke("plan", "--host", "sandbox", "--exit-code")
    assert pending.returncode == 4
    assert box(FINGERPRINT) == before


def test_a_model_that_is_not_to_be_had_is_said_before_anything_is_changed(
    controller: Controller, box: Box
) -> None:
    before = box(FINGERPRINT)
    file = controller.inventory / "host_vars" / "box1.yml"
    file.parent.mkdir(exist_ok=True)
    with HubServer({"acme/gated": Model({"a": b"x"}, access="gated")}).serving(
        controller.address
    ) as hub:
        for source, said in (
            ("acme/none", "there is no model acme/none at "),
            ("acme/gated", "acme/gated is gated and there is no token (401)"),
        ):
            values = {"model": {"source": source}, "hub": {"endpoint": hub.url}}
            file.write_text(yaml.safe_dump(values))
            done = controller.invoke("provision", "--host", "box1")
            assert done.returncode == 1
            assert f"error: box1: base: {source} at the hub: {said}" in done.stderr
    file.unlink()
    assert box(FINGERPRINT) == before


def test_deploy_before_provision_says_so(controller: Controller) -> None:
    done = controller.invoke("deploy", "--host", "sandbox")
    assert done.returncode == 1
    assert "invoke provision" in done.stderr
    assert "Traceback" not in done.stderr


def test_first_provision_changes_everything(provisioned: Any) -> None:
    (host,) = provisioned["hosts"]
    assert host["status"] == "changed"
    assert host["failed"] == 0
    assert host["changed"] > 10
    assert [role["name"] for role in host["roles"]] == [
        "base",
        "driver",
        "python",
        "vllm",
        "model",
    ]


def test_second_provision_changes_nothing_in_two_round_trips(
    controller: Controller, deployed: Any
) -> None:
    (host,) = controller.json("provision", "--host", "sandbox")["hosts"]
    assert (host["status"], host["changed"], host["failed"]) == ("ok", 0, 0)
    assert host["round_trips"] <= 2
    assert controller.invoke("plan", "--host", "sandbox", "--exit-code").returncode == 0


def test_testinfra_agrees(controller: Controller, box: Box, deployed: Any) -> None:
    place = load(controller.inventory).hosts["box1"].connection
    config = controller.inventory / "ssh_config"
    config.write_text(
        f"Host box1\n  HostName {place.address}\n  User root\n  IdentityFile {place.key_file}\n"
        f"  UserKnownHostsFile {controller.inventory / 'known_hosts'}\n"
    )
    host = testinfra.get_host("paramiko://box1", ssh_config=str(config))
    for package in ("git", "build-essential", "python3-dev", "python3-venv"):
        assert host.package(package).is_installed
    assert host.user("onecard").shell == "/usr/sbin/nologin"
    assert host.file("/etc/onecard/api-key.env").mode == 0o600
    assert host.file("/var/lib/onecard").mode == 0o700
    assert host.service("vllm").is_running
    assert host.service("vllm").is_enabled
    assert host.process.filter(user="onecard")
    assert host.socket("tcp://127.0.0.1:8000").is_listening
    assert not host.socket("tcp://0.0.0.0:8000").is_listening
    assert host.file(f"{_model(box)}/model.safetensors").sha256sum == _digest(
        PROJECT / "onecard/data/tiny-vqa/model.safetensors"
    )


def _model(box: Box) -> str:
    return box("echo /opt/onecard/models/tiny-vqa-*").strip()


def test_unit_is_clean_and_hardened(box: Box, deployed: Any) -> None:
    # verify speaks of every unit that it loads; what it says of ours alone counts
    said = box(
        "systemd-analyze verify /etc/systemd/system/vllm.service 2>&1 | grep vllm.service || true"
    )
    assert said == ""
    exposure = box("systemd-analyze security vllm.service --no-pager | tail -n 1")
    assert float(exposure.split(":")[1].split()[0]) <= 3.0, exposure
    # What is left open is left open for a reason, which the unit says.
    unit = box("cat /etc/systemd/system/vllm.service")
    reasons = "".join(line for line in unit.splitlines() if line.startswith("#"))
    judged = json.loads(box("systemd-analyze security vllm.service --json=short --no-pager"))
    for setting in (each["name"] for each in judged if each["exposure"]):
        what = setting.replace("(INET|INET6)", "INET").rpartition("~")[2].partition("/")[0]
        assert what in reasons, setting


def test_the_unit_of_a_gpu_server_is_as_clean_and_lets_it_open_its_card(
    controller: Controller, box: Box, deployed: Any
) -> None:
    """Beside the served one, under another name; a device node stands for the card."""
    host = with_lock(load(controller.inventory).hosts["box1"], controller.inventory)
    host = override(host, {"accelerator": "nvidia"}, {})
    resources = serve.desired(host, Facts())
    (unit,) = [
        each.content
        for each in resources
        if isinstance(each, File) and each.path == layout.UNIT_FILE
    ]
    assert "ExecStartPre=" in unit
    # The command is another; all else is as it would be served.
    opens = (
        "[Service]\nRestart=no\nExecStart=\n"
        "ExecStart=/bin/sh -c 'exec <>/dev/nvidia0 && echo the card is open'\n"
    )
    file = "/etc/systemd/system/onecard-gpu-test.service"
    box(
        f"mkdir -p {file}.d; mknod -m 0666 /dev/nvidia0 c 1 3\n"
        f"cat >{file} <<'END'\n{unit}END\nsystemctl daemon-reload"
    )
    try:
        assert box(f"systemd-analyze verify {file} 2>&1 | grep gpu-test || true") == ""
        exposure = box("systemd-analyze security onecard-gpu-test --no-pager | tail -n 1")
        assert float(exposure.split(":")[1].split()[0]) <= 3.0, exposure
        box(f"cat >{file}.d/opens.conf <<'END'\n{opens}END\nsystemctl daemon-reload")
        said = box(
            "systemctl start --wait onecard-gpu-test; journalctl --sync; "
            "journalctl -u onecard-gpu-test -o cat --no-pager"
        )
        assert "the card is open" in said
    finally:
        box(
            f"rm -rf {file} {file}.d /dev/nvidia0; systemctl daemon-reload; "
            "systemctl reset-failed onecard-gpu-test 2>/dev/null || true"
        )


def test_first_deploy_is_ready(deployed: Any) -> None:
    assert deployed["status"] == "changed"
    assert deployed["unit_changed"] is True
    assert deployed["ctx"] == 4096
    assert deployed["ready_s"] > 1


def test_deploying_what_runs_restarts_nothing(
    controller: Controller, box: Box, deployed: Any
) -> None:
    before = box("systemctl show vllm -p MainPID")
    again = controller.json("deploy", "--host", "sandbox")
    assert (again["status"], again["unit_changed"]) == ("ok", False)
    assert box("systemctl show vllm -p MainPID") == before


def test_key_is_wanted_and_never_shown(controller: Controller, box: Box, deployed: Any) -> None:
    key = box("sed s/VLLM_API_KEY=// /etc/onecard/api-key.env").strip()
    assert len(key) >= 32
    code = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8000/v1/models"
    assert box(code) == "401"
    assert box(f"{code} -H 'Authorization: Bearer {key}'") == "200"
    assert key not in box(
        "cat /etc/systemd/system/vllm.service /etc/onecard/vllm.env; ps axww -o args"
    )
    box(
        "chmod 0644 /etc/onecard/api-key.env; echo 'VLLM_LOGGING_LEVEL=DEBUG' >>/etc/onecard/vllm.env"
    )
    shown = controller.invoke("deploy", "--host", "sandbox", "--check", "--json")
    assert "VLLM_LOGGING_LEVEL" in shown.stderr
    assert key not in shown.stdout + shown.stderr
    mended = controller.invoke("deploy", "--host", "sandbox")
    assert mended.returncode == 0, mended.stderr
    assert key not in mended.stdout + mended.stderr
    assert box("stat -c %a /etc/onecard/api-key.env").strip() == "600"


def test_smoke_passes_on_the_right_model(controller: Controller, deployed: Any) -> None:
    report = controller.json("smoke", "--host", "sandbox")
    assert (report["failed"], report["passed"]) == (0, len(report["cases"]))
    assert report["passed"] >= 8
    assert 0 < report["steady_p50_s"] <= report["steady_p95_s"]
    for case in report["cases"]:
        assert case["given"]


def test_smoke_fails_when_an_expected_answer_is_wrong(
    controller: Controller, deployed: Any, tmp_path: Path
) -> None:
    source = PROJECT / "onecard/data/smoke/shapes.yml"
    cases = yaml.safe_load(source.read_text())["cases"]
    for case in cases:
        case["image"] = str(source.parent / case["image"])
    cases[0].update(expect=["purple"], forbid=[])
    (tmp_path / "cases.yml").write_text(yaml.safe_dump({"cases": cases}))
    report = controller.json(
        "smoke", "--host", "sandbox", "--cases", str(tmp_path / "cases.yml"), code=1
    )
    assert report["failed"] == 1


def test_smoke_fails_when_pictures_are_dropped(controller: Controller, deployed: Any) -> None:
    from onecard.connect import connected
    from onecard.questions import questions
    from onecard.server import api_key, service_state
    from onecard.smoke.client import Client
    from onecard.smoke.run import run_smoke
    from tests.support.blind_proxy import BlindProxy

    host = load(controller.inventory).hosts["box1"]
    with connected(host, controller.inventory / "known_hosts") as box:
        state, key = service_state(box.session), api_key(box.session)
        with (
            box.wire.tunnel(state.port) as port,
            BlindProxy(f"http://127.0.0.1:{port}") as proxy,
            Client(proxy.url, state.model, key) as client,
        ):
            report = run_smoke(client, questions(state.model), host="box1", repeats=1)
    assert not report.ok
    assert report.passed == 0


def test_drift_is_mended(controller: Controller, box: Box, deployed: Any) -> None:
    box(
        "echo '# by hand' >>/etc/sysctl.d/60-onecard.conf\n"
        "dpkg --remove --force-depends wget >/dev/null\n"
        "rm /opt/onecard/models/tiny-vqa-*/config.json\n"
        "chmod 0777 /opt/onecard/models\n"
    )
    (host,) = controller.json("provision", "--host", "sandbox")["hosts"]
    assert (host["status"], host["changed"], host["failed"]) == ("changed", 5, 0)
    assert "by hand" not in box(
        "cat /etc/sysctl.d/60-onecard.conf; dpkg -s wget >/dev/null; test -f /opt/onecard/models/tiny-vqa-*/config.json; stat -c %a /opt/onecard/models"
    )
    box("systemctl stop vllm; sed -i s/4096/2048/ /etc/systemd/system/vllm.service")
    again = controller.json("deploy", "--host", "sandbox")
    assert again["unit_changed"] is True
    assert "--max-model-len 4096" in box(
        "systemctl show vllm -p ExecStart; systemctl is-active vllm"
    )


def test_a_persons_account_is_never_taken_over(
    controller: Controller, box: Box, deployed: Any, tmp_path: Path
) -> None:
    box("useradd --create-home --shell /bin/bash ann")
    before = box("getent passwd ann")
    inventory = tmp_path / "inventory"
    shutil.copytree(controller.inventory, inventory)
    with (inventory / "group_vars" / "sandbox.yml").open("a") as group:
        group.write("service_user: ann\n")
    theirs = Controller(inventory)
    (host,) = theirs.json("provision", "--host", "sandbox", code=1)["hosts"]
    assert "user ann: the account ann is somebody's own (home /home/ann" in host["error"]
    assert box("getent passwd ann; stat -c %U /var/lib/onecard") == f"{before}onecard\n"
    goes = {row["what"] for row in theirs.json("teardown", "--host", "sandbox", "--check")["left"]}
    assert "account ann" not in goes
    assert not any(what.startswith("files of uid") for what in goes)
    box("userdel --remove ann 2>/dev/null; ! getent passwd ann")


def test_reboot_brings_the_server_back(controller: Controller, box: Box, deployed: Any) -> None:
    before = box("cat /proc/sys/kernel/random/boot_id")
    box("systemctl reboot --no-block")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if box("cat /proc/sys/kernel/random/boot_id") != before:
                break
        except (OSError, EOFError, paramiko.SSHException, AssertionError):
            pass
        time.sleep(0.5)
    else:
        pytest.fail("the box did not come back within 120 s")
    again = controller.json("deploy", "--host", "sandbox")
    assert again["unit_changed"] is False
    assert controller.json("smoke", "--host", "sandbox", "--repeats", "1")["failed"] == 0


def test_another_run_is_kept_out_and_named(controller: Controller, box: Box, deployed: Any) -> None:
    from onecard.connect import connected, holder
    from onecard.engine import gather

    host = load(controller.inventory).hosts["box1"]
    with connected(host, controller.inventory / "known_hosts") as held:
        gather(held.session, holder("provision"))
        refused = controller.invoke("provision", "--host", "sandbox")
        assert refused.returncode == 1
        assert "locked by `invoke provision`" in refused.stderr
    assert controller.invoke("provision", "--host", "sandbox").returncode == 0


def test_wrong_model_fails_the_smoke(controller: Controller, box: Box, deployed: Any) -> None:
    """The same shape with random weights starts and answers, and is found out."""
    box(
        "cd /opt/onecard/models/tiny-vqa-* && /opt/onecard/current/bin/python - <<'E'\n"
        "import torch\nfrom safetensors.torch import load_file, save_file\n"
        "torch.manual_seed(0)\nweights = load_file('model.safetensors')\n"
        "save_file({k: torch.randn_like(v, dtype=torch.float32).mul(0.06).to(v.dtype) for k, v in weights.items()},"
        " 'model.safetensors', metadata={'format': 'pt'})\nE\nchmod 0644 model.safetensors\n"
    )
    try:
        assert controller.invoke("restart", "--host", "sandbox").returncode == 0
        report = controller.json("smoke", "--host", "sandbox", "--repeats", "1", code=1)
        assert report["passed"] <= len(report["cases"]) // 2
    finally:
        (host,) = controller.json("provision", "--host", "sandbox")["hosts"]
        assert host["changed"] == 1
        assert controller.invoke("restart", "--host", "sandbox").returncode == 0


def test_another_model_is_copied_and_served(
    controller: Controller, box: Box, deployed: Any, tmp_path: Path
) -> None:
    other = tmp_path / "other-vqa"
    shutil.copytree(PROJECT / "onecard/data/tiny-vqa", other)
    report = controller.json("deploy", "--host", "sandbox", "--model", str(other))
    assert (report["model"], report["unit_changed"]) == ("other-vqa", True)
    cases = str(PROJECT / "onecard/data/smoke/shapes.yml")
    assert (
        controller.json("smoke", "--host", "sandbox", "--cases", cases, "--repeats", "1")["failed"]
        == 0
    )
    assert controller.json("deploy", "--host", "sandbox")["model"] == "tiny-vqa"
    (tmp_path / "none").mkdir()
    empty = controller.invoke("deploy", "--host", "sandbox", "--model", str(tmp_path / "none"))
    assert empty.returncode == 2
    assert "is empty" in empty.stderr


def test_stop_start_and_logs(controller: Controller, box: Box, deployed: Any) -> None:
    assert controller.invoke("stop", "--host", "sandbox").returncode == 0
    assert "inactive" in box("systemctl is-active vllm || true")
    assert controller.json("status", "--host", "sandbox", code=1)["status"] == "inactive"
    assert controller.invoke("start", "--host", "sandbox").returncode == 0
    lines = controller.invoke("logs", "--host", "sandbox", "--lines", "500")
    assert lines.returncode == 0
    assert "Application startup complete" in lines.stdout


def test_broken_connection_leaves_the_job_running(
    controller: Controller, box: Box, deployed: Any
) -> None:
    """A controller that is killed in the middle: the job ends by itself, the next run sees a sound box."""
    box("cd /opt/onecard/current/lib/python3*/site-packages && rm -rf openai openai-*")
    running = subprocess.Popen(
        [INVOKE, "provision", "--host", "sandbox"],
        cwd=PROJECT,
        env=controller.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while "/run/onecard/job" not in box("ps axww -o args"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    running.send_signal(signal.SIGKILL)
    running.wait()
    while True:
        done = controller.invoke("provision", "--host", "sandbox", "--json")
        if done.returncode == 0:
            break
        assert "locked by" in done.stderr, done.stderr
        assert time.monotonic() < deadline
        time.sleep(0.5)
    box("/opt/onecard/current/bin/python -c 'import openai'")


def test_bad_input_is_one_line_and_exit_2(controller: Controller, tmp_path: Path) -> None:
    rows = (
        (("provision", "--bogus"), "bogus"),
        (("provision", "--host", "nowhere"), "nowhere"),
        (("deploy", "--host", "sandbox", "--ctx", "64k"), "--ctx"),
        (("deploy", "--host", "sandbox", "--port", "99999"), "--port"),
        (("smoke", "--host", "sandbox", "--cases", "/no/such.yml"), "/no/such.yml"),
        (("fit", "--gpu", "A1000"), "A1000"),
        (("sandbox.up", "--count", "many"), "--count"),
    )
    for words, named in rows:
        done = controller.invoke(*words)
        assert done.returncode == 2, (words, done.stderr)
        assert named in done.stderr
        assert "Traceback" not in done.stderr
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text("serv: {ctx: 1}\n")
    (tmp_path / "hosts.yml").write_text("all: {hosts: {a: {ansible_host: 127.0.0.1}}}\n")
    done = controller.invoke("plan", ONECARD_INVENTORY=str(tmp_path))
    assert done.returncode == 2
    assert "group_vars/all.yml: serv" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_unreachable_is_exit_3_within_the_timeout(controller: Controller) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)  # takes the connection and never says a word
        started = time.monotonic()
        done = controller.invoke("provision", "--host", f"root@127.0.0.1:{silent.getsockname()[1]}")
    assert done.returncode == 3, done.stderr
    assert time.monotonic() - started < 40
    refused = controller.json("provision", "--host", "root@127.0.0.1:9", code=3)
    assert refused["hosts"][0]["status"] == "unreachable"


def test_changed_and_unknown_host_keys_are_refused(controller: Controller) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    file = controller.inventory / "known_hosts"
    right = file.read_text()
    other = (
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        .decode()
    )
    try:
        file.write_text(f"{right.split()[0]} {other}\n")
        changed = controller.invoke("plan", "--host", "sandbox")
        assert changed.returncode == 3
        assert changed.stderr.count("SHA256:") == 2
        assert controller.invoke("trust", "--host", "sandbox").returncode == 3
        file.write_text("")
        unknown = controller.invoke("plan", "--host", "sandbox")
        assert unknown.returncode == 3
        assert "invoke trust" in unknown.stderr
        trusted = controller.invoke("trust", "--host", "sandbox")
        assert trusted.returncode == 0, trusted.stderr
        assert "SHA256:" in trusted.stdout
        assert controller.invoke("plan", "--host", "sandbox").returncode == 0
    finally:
        file.write_text(right)


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()
