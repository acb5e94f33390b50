"""What the service manager of a pod says of a unit, in systemd's words."""

from __future__ import annotations

import configparser
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from onecard.box import paths, services
from onecard.box.supervision import configuration, manager, rpc, run_state, showing, unit
from onecard.box.supervision.__main__ import main
from onecard.box.supervision.configuration import START_LIMIT_HIT
from onecard.box.supervision.run_state import RunState
from onecard.server.start_journal import read_restarts

NAME = "it.service"
UNIT = """\
[Unit]
PartOf=other.service
[Service]
ExecStart=/bin/x 100%%
Restart=on-failure
TimeoutStopSec=7
KillSignal=SIGQUIT
"""


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("UNITS", "SUPERVISOR_RUN", "LOGS"):
        monkeypatch.setattr(paths, name, str(tmp_path))
    monkeypatch.setattr(configuration, "FILE", tmp_path / "supervisord.conf")
    monkeypatch.setattr(rpc, "SOCKET", tmp_path / "none.sock")
    monkeypatch.setattr("onecard.box.supervision.outcome.LOG", tmp_path / "supervisord.log")
    (tmp_path / NAME).write_text(UNIT)
    return tmp_path


def process(name: str, **others: int) -> dict[str, Any]:
    return {"statename": name, "pid": 7, "exitstatus": 0, "stop": 0, **others}


@pytest.mark.parametrize(
    ("phase", "known", "shown"),
    [
        ("", {}, ("inactive", "dead", "success", "0")),
        ("waiting", process("RUNNING"), ("activating", "auto-restart", "signal", "0")),
        ("preparing", process("RUNNING"), ("activating", "start-pre", "success", "0")),
        ("running", process("RUNNING"), ("active", "running", "success", "7")),
        ("running", process("STOPPING"), ("deactivating", "stop-sigterm", "success", "0")),
        ("running", process("STOPPED"), ("inactive", "dead", "success", "0")),
        ("running", process("EXITED"), ("activating", "auto-restart", "exit-code", "0")),
        ("failed", process("EXITED", exitstatus=START_LIMIT_HIT),
         ("failed", "failed", "signal", "0")),
    ],
)  # fmt: skip
def test_the_state_of_a_unit(
    phase: str,
    known: dict[str, Any],
    shown: tuple[str, ...],
    box: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_state.write_state(NAME, RunState("i" * 32, phase, result="signal"))
    (box / "supervisord.log").write_text(f"exited: {NAME} (exit status 1; not expected)\n")
    monkeypatch.setattr(rpc, "process", lambda name: known)
    found = showing.show(NAME)
    keys = ("ActiveState", "SubState", "Result", "MainPID")
    assert tuple(found[key] for key in keys) == shown
    assert (found["LoadState"], found["InvocationID"]) == ("loaded", "i" * 32)
    assert showing.show("none.service")["LoadState"] == "not-found"


def test_a_server_that_ended_by_itself_is_started_again(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Restart=always; exit code 0 ends a unit with Restart=on-failure."""
    (box / "supervisord.log").write_text(f"exited: {NAME} (exit status 0; expected)\n")
    run_state.write_state(NAME, RunState("i" * 32, "running"))
    monkeypatch.setattr(rpc, "process", lambda name: process("EXITED"))
    found = {}
    for restart in ("on-failure", "always"):
        (box / NAME).write_text(UNIT.replace("on-failure", restart))
        manager.enable(NAME, on=True)
        parser = configparser.RawConfigParser()
        parser.read(box / "supervisord.conf")
        section = parser[f"program:{NAME}"]
        found[restart] = (
            section["autorestart"], section["exitcodes"], showing.show(NAME)["SubState"]
        )  # fmt: skip
    assert found == {
        "on-failure": ("unexpected", f"0,{START_LIMIT_HIT}", "dead"),
        "always": ("unexpected", f"{START_LIMIT_HIT}", "auto-restart"),
    }


def test_a_stop_takes_the_runtime_folder_along(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(unit._PARENTS, "RuntimeDirectory", str(box))
    (box / NAME).write_text(f"{UNIT}RuntimeDirectory=it\n")
    (box / "it").mkdir()
    manager.stop(NAME)
    assert not (box / "it").exists()


def test_the_time_since_a_stop(box: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = process("STOPPED", stop=int(time.time()) - 60)
    monkeypatch.setattr(rpc, "process", lambda name: stopped)
    changed = float(showing.show(NAME)["StateChangeTimestampMonotonic"]) / 1e6
    assert 59 < time.monotonic() - changed < 63


def test_the_configuration_is_one_that_supervisord_reads(box: Path) -> None:
    manager.enable(NAME, on=True)
    parser = configparser.RawConfigParser()
    parser.read(box / "supervisord.conf")
    section = dict(parser[f"program:{NAME}"])
    assert section["command"].endswith(f"-m onecard.box.supervision.launch {NAME}")
    assert (section["stopsignal"], section["stopwaitsecs"]) == ("QUIT", "7")
    assert section["exitcodes"] == f"0,{START_LIMIT_HIT}"
    assert (section["autostart"], section["autorestart"]) == ("true", "unexpected")
    manager.enable(NAME, on=False)
    parser.read(box / "supervisord.conf")
    assert parser[f"program:{NAME}"]["autostart"] == "false"
    assert (box / "supervisord.conf").stat().st_mode & 0o777 == 0o600


def test_units_that_stop_or_start_with_another(box: Path) -> None:
    (box / NAME).write_text(f"{UNIT}[Install]\nWantedBy=other.service third.service\n")
    assert manager._linked("PartOf", "Unit", "other.service") == [NAME]
    assert manager._linked("PartOf", "Unit", NAME) == []
    assert manager._linked("WantedBy", "Install", "third.service") == [NAME]


def test_what_is_removed_is_gone(box: Path) -> None:
    run_state.write_state(NAME, RunState("i" * 32))
    manager.enable(NAME, on=True)
    assert showing.left(NAME) == ["unit file"]
    assert main("remove", NAME) == 0
    assert showing.left(NAME) == []
    assert not list(box.glob(f"{NAME}*"))


def test_a_failure_is_forgotten(box: Path) -> None:
    run_state.write_state(NAME, RunState("i", "failed", starts=(1.0, 2.0), result="signal"))
    manager.reset(NAME)
    state = run_state.read_state(NAME)
    assert (state.invocation, state.phase, state.starts, state.result) == ("i", "", (), "success")
    (box / f"{NAME}.json").write_text("{half")
    assert run_state.read_state(NAME) == RunState()


def test_the_starts_that_were_automatic(box: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [letter * 32 for letter in "abc"]
    log = "".join(f"onecard: {NAME} starts, invocation {each}\n" for each in ids)
    (box / f"{NAME}.log").write_text(log)
    run_state.write_state(NAME, RunState(ids[2], restarts=1))
    assert main("starts", NAME) == 0
    assert list(read_restarts(capsys.readouterr().out, ids[2])) == ids[1:]
    assert main("log", NAME, "all", *ids[1:]) == 0
    assert capsys.readouterr().out == log.partition("\n")[2]


def test_verbs_without_a_manager_fail_in_a_line(
    box: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "SUPERVISOR", str(box / "none"))
    assert main("start", NAME) == 1
    assert capsys.readouterr().out.endswith("run: invoke provision\n")
    assert main("start", "none.service") == 1
    assert main("stop", NAME) == 0
    assert main("dance", NAME) == 64


def test_the_shells_verbs_are_the_programs() -> None:
    """Every verb that services.sh lists is one of both service managers."""
    verbs = [
        each
        for line in services.FILE.read_text().splitlines()
        if line.startswith("#   services ")
        for each in line.split()[2].split("|")
    ]
    systemd = services.SHELL.partition("_systemd() {")[2].partition("\n}")[0]
    assert len(verbs) > 15
    for verb in verbs:
        assert f"{verb})" in systemd or f"{verb} |" in systemd or f"| {verb}" in systemd, verb


def test_a_box_with_neither_has_no_server(tmp_path: Path) -> None:
    script = services.SHELL.replace("/opt/onecard", str(tmp_path)).replace("/run/systemd", "/none")
    done = subprocess.run(
        ["sh", "-c", f"{script}\nservices show x.service; services log x.service 5; services boot"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    first, *_, last = done.stdout.splitlines()
    assert (first, last[:6]) == ("LoadState=not-found", "error:")


def test_an_odd_unit_is_no_surprise() -> None:
    odd = unit.ServiceUnit("x", "[Service]\nExecStart='open\n")
    with pytest.raises(ValueError, match="not closed"):
        odd.commands("ExecStart")
