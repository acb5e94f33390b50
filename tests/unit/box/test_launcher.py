"""The launcher reads a unit file as systemd does, and becomes the program that it names."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from onecard.box.supervision import log_files, processes
from onecard.box.supervision.configuration import START_LIMIT_HIT
from onecard.box.supervision.identity import identity
from onecard.box.supervision.unit import ServiceUnit, environment_file
from onecard.diagnosis import diagnose
from onecard.templates.quoting import file_value, unit_word
from onecard.templates.render import render

PROJECT = Path(__file__).resolve().parents[3]
NAME = "it.service"


@dataclass
class Box:
    """A folder with a unit in it; launches run with every path of the box below that folder."""

    folder: Path

    def write(self, service: str, unit: str = "") -> None:
        (self.folder / NAME).write_text(f"[Unit]\n{unit}\n[Service]\n{service}\n")

    def start(self) -> subprocess.Popen[str]:
        moved = "UNITS", "SUPERVISOR_RUN", "LOGS"
        code = (
            "import sys; from onecard.box import paths\n"
            + "".join(f"paths.{each} = {str(self.folder)!r}\n" for each in moved)
            + "from onecard.box.supervision import launch\n"
            f"sys.exit(launch.main({NAME!r}))"
        )
        return subprocess.Popen(
            [sys.executable, "-c", code], cwd=PROJECT, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def launch(self) -> tuple[int, list[str]]:
        """Launch it, wait for its end, and return its exit code and its lines."""
        launched = self.start()
        output = launched.communicate(timeout=30)[0]
        return launched.returncode, output.splitlines()

    def state(self) -> dict[str, object]:
        return dict(json.loads((self.folder / f"{NAME}.json").read_text()))


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_the_program_takes_the_launchers_place(box: Box) -> None:
    box.write(
        'Environment="A=a b" B=%%\nWorkingDirectory=/tmp\nUMask=0077\nLimitNOFILE=77\nLimitCORE=0\n'
        "TimeoutStartSec=20\nExecStartPre=/bin/echo before\n"
        'ExecStart=/bin/sh -c "echo $$$$ $$A $$B $$PWD; umask; ulimit -n; ulimit -c; '
        'env | grep INVOCATION"'
    )
    launched = box.start()
    mark, *lines = launched.communicate(timeout=30)[0].splitlines()
    invocation = mark.rpartition(" ")[2]
    assert mark == log_files.mark(NAME, invocation)
    assert lines == [
        "before", f"{launched.pid} a b % /tmp", "0077", "77", "0",
        f"INVOCATION_ID={invocation}",
    ]  # fmt: skip
    state = box.state()
    assert (state["invocation"], state["phase"], state["pid"], state["restarts"]) == (
        invocation, "running", launched.pid, 0,
    )  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone has capabilities to lose")
def test_root_has_no_capability_and_gets_none(box: Box) -> None:
    """As on a volume that gives files no other owner: the server is root, and can do no more."""
    box.write(
        "User=root\nNoNewPrivileges=yes\nCapabilityBoundingSet=\n"
        "ExecStart=/bin/sh -c 'sed -n s/^Cap...:.//p /proc/self/status | sort -u; id -u; "
        "chown 1 /tmp 2>/dev/null || echo refused'"
    )
    assert box.launch()[1][1:] == ["0" * 16, "0", "refused"]


def test_files_override_the_units_own_variables(box: Box) -> None:
    given = 'a "quoted" \\ $word `x`'
    (box.folder / "one").write_text(f"A={file_value(given)}\n# no\nB=plain  \n")
    box.write(
        f"Environment=A=own C=c\nEnvironmentFile={box.folder}/one\n"
        f"EnvironmentFile=-{box.folder}/none\n"
        'ExecStart=/bin/sh -c "echo \\"$$A|$$B|$$C\\""'
    )
    assert box.launch()[1][1:] == [f"{given}|plain|c"]


def test_what_fails_before_the_program_is_a_failed_start(box: Box) -> None:
    box.write("ExecStartPre=-/bin/false\nExecStartPre=/bin/sh -c 'exit 7'\nExecStart=/bin/echo no")
    assert box.launch()[0] == 7
    assert box.state()["phase"] == "ended"
    box.write("TimeoutStartSec=0.2\nExecStartPre=/bin/sleep 60\nExecStart=/bin/echo no")
    (box.folder / f"{NAME}.json").unlink()
    code, lines = box.launch()
    assert code == 1
    assert any("timed out" in line for line in lines)


@pytest.mark.parametrize(
    ("service", "code", "rule"),
    [
        ("ExecStart=/no/such/program", 203, "exec-missing"),
        ("ExecStartPre=/no/such/program\nExecStart=/bin/echo no", 203, "exec-missing"),
        ("User=no-such-user\nExecStart=/bin/echo no", 217, "service-user"),
        ("WorkingDirectory=/no/such\nExecStart=/bin/echo no", 200, "service-directory"),
        ("EnvironmentFile=/no/such\nExecStart=/bin/echo no", 243, "service-directory"),
        ("LoadCredential=a:/no/such\nExecStart=/bin/echo no", 243, "service-directory"),
    ],
)
def test_a_start_without_what_the_unit_names_is_diagnosed(
    service: str, code: int, rule: str, box: Box
) -> None:
    """As after a stop of a pod, before it is provisioned again."""
    box.write(f"Restart=on-failure\nRestartSec=0\n{service}")
    assert box.launch()[0] == code
    (box.folder / "supervisord.log").write_text(
        f"2026-11-29 16:10:50,920 WARN exited: {NAME} (exit status {code}; not expected)\n"
    )
    _, lines = box.launch()
    log = "\n".join(line.replace(NAME, "vllm.service") for line in lines)
    assert diagnose(log).rule == rule


def test_a_crash_loop_ends_at_the_limit(box: Box) -> None:
    box.write(
        "Restart=on-failure\nRestartSec=0.1\nExecStart=/bin/false",
        "StartLimitIntervalSec=60\nStartLimitBurst=3",
    )
    assert [box.launch()[0] for _ in range(4)] == [1, 1, 1, START_LIMIT_HIT]
    assert (box.state()["phase"], box.state()["restarts"]) == ("failed", 2)
    assert box.launch()[0] == START_LIMIT_HIT


def test_a_restart_waits_and_says_how_the_last_run_ended(box: Box) -> None:
    box.write("Restart=on-failure\nRestartSec=0.5\nExecStart=/bin/false")
    box.launch()
    (box.folder / "supervisord.log").write_text(
        "2026-11-29 16:10:50,920 WARN exited: other.service (exit status 3; not expected)\n"
        f"2026-11-29 16:10:50,920 WARN exited: {NAME} (terminated by SIGKILL; not expected)\n"
    )
    began = time.monotonic()
    _, lines = box.launch()
    assert time.monotonic() - began > 0.5
    assert lines[0] == f"{NAME}: Main process exited, code=killed, status=9/KILL"


def test_what_a_killed_server_left_is_ended_before_the_next(box: Box) -> None:
    """As systemd does with a control group: a process that holds GPU memory would stop the start."""
    box.write('RestartSec=0\nExecStart=/bin/sh -c "sleep 600 & echo $$!; exec sleep 600"')
    first = box.start()
    assert first.stdout is not None
    first.stdout.readline()
    child = int(first.stdout.readline())
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert Path(f"/proc/{child}").exists()
    box.write("ExecStart=/bin/true")
    box.launch()
    assert not Path(f"/proc/{child}").exists() or processes._dead(child)


def test_the_servers_own_unit_is_understood() -> None:
    names = "served_name user environment_file api_key_file wait_for_memory memory_share cards"
    names += " ray_unit ray_token"
    text = render(
        "vllm.service.j2",
        {
            **dict.fromkeys(names.split(), "x"), "user": "nobody", "accelerator": "nvidia",
            "ctx": 4096, "engine_timeout": 600, "configuration": "0123", "command": ("/a b", "c"),
        },
    )  # fmt: skip
    unit = ServiceUnit("vllm.service", text)
    first, second = unit.commands("ExecStartPre")
    assert (first.may_fail, first.as_root, second.may_fail, second.as_root) == (
        True, True, False, False,
    )  # fmt: skip
    assert unit.commands("ExecStart")[0].words == ("/a b", "c")
    assert unit.seconds("StartLimitIntervalSec", 0, "Unit") == 4975
    assert unit.seconds("TimeoutStopSec", 0) == 90


def test_a_user_has_its_limits_and_no_capability() -> None:
    unit = ServiceUnit(
        "x",
        "[Service]\nDynamicUser=yes\nUMask=0077\nNoNewPrivileges=yes\nLimitMEMLOCK=infinity\n"
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
    )
    who = identity(unit)
    assert (who.login, who.umask, who.no_new_privileges) == ("nobody", 0o077, True)
    assert who.capabilities == (10,)
    assert who.limits == ((resource.RLIMIT_MEMLOCK, resource.RLIM_INFINITY),)
    with pytest.raises(ValueError, match="does not exist"):
        identity(ServiceUnit("x", "[Service]\nUser=no-such-user"))


@pytest.mark.parametrize("text", ["a b", 'say "x"', "back\\slash", "$HOME `x`", "it's", "#x", ""])
def test_a_value_of_an_environment_file_reads_back(text: str) -> None:
    assert environment_file(f"A={file_value(text)}\n") == {"A": text}
    unit = ServiceUnit("x", f"[Service]\nExecStart=/bin/x {unit_word(text)}\n")
    assert unit.commands("ExecStart")[0].words == ("/bin/x", text)
