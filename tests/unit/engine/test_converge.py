"""A whole run: real resources, a real shell, one folder as the box."""

from __future__ import annotations

import getpass
import grp
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from onecard.engine.converge import remove_own_traces
from onecard.engine.host_plan import Item
from onecard.engine.job import FOLDER
from onecard.errors import (
    BusyError,
    CommandError,
    DriftError,
    PreflightError,
    ProbeError,
    UsageError,
)
from onecard.facts import Facts
from onecard.resources.absent import NoPath
from onecard.resources.files.file import File
from onecard.resources.skipped import Skipped
from onecard.ssh.shell import Request, Result, Session
from tests.support.engine_run import Marker, Notes, Run


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.box.close()


def test_a_box_in_order_takes_two_round_trips(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    plan = run([Marker(tmp_path / "a")], [Marker(tmp_path / "b")])
    assert (plan.changes, run.report.round_trips) == ((), 2)
    assert run.verbs == ["lock", "run", "run"]
    assert run.counts == [(1, 0, 0), (1, 0, 0)]
    assert run.report.status == "ok"
    assert run.notes.events == ["facts debian 12", "planned 0/2"]


def test_what_differs_is_repaired_and_nothing_else(run: Run, tmp_path: Path) -> None:
    a, b, c = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    b.touch()
    c_file = File(str(c), "x\n", getpass.getuser(), grp.getgrgid(os.getegid()).gr_name)
    wanted = ([Marker(a, f"echo making a; touch {a}"), Marker(b, "exit 9")], [c_file])
    plan = run(*wanted)
    assert [item.resource.name for item in plan.changes] == ["marker a", f"file {c}"]
    assert run.report.round_trips == 4
    assert run.counts == [(1, 1, 0), (0, 1, 0)]
    assert run.report.status == "changed"
    assert run.report.seconds > 0
    assert run.notes.events == [
        "facts debian 12",
        "planned 2/3",
        "begin marker a",
        "end marker a 0",
        f"begin file {c}",
        f"end file {c} 0",
    ]
    assert run.notes.lines == ["making a"]
    run(*wanted)
    assert (run.report.round_trips, run.report.changed) == (2, 0)


def test_check_changes_nothing_and_takes_no_lock(run: Run, tmp_path: Path) -> None:
    before = run.box.session()
    before.send([Request("lock", b"somebody else")])
    session = run.box.session()
    run([Marker(tmp_path / "a", upload=b"x")], check=True, session=session)
    assert run.verbs == ["run", "run"]
    assert not list(tmp_path.glob("a*"))
    assert not (tmp_path / "box" / "job").exists()
    assert run.counts == [(0, 1, 0)]
    assert run.report.pending == [
        {"role": "role0", "resource": "marker a", "changes": ["there: absent -> yes"]}
    ]


def test_success_that_repaired_nothing_is_drift(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DriftError) as caught:
        run([Marker(tmp_path / "a", "echo looks good"), Marker(tmp_path / "b")])
    assert caught.value.message == (
        "role0: marker a: its commands succeeded but the box still differs: "
        "there: absent -> yes; think again"
    )
    assert caught.value.detail == "looks good"
    assert run.counts == [(0, 1, 1)]


def test_the_first_failure_ends_the_job(run: Run, tmp_path: Path) -> None:
    a, b, c = (Marker(tmp_path / name) for name in "abc")
    broken = Marker(b.path, "seq 40; echo E: no network; exit 100")
    with pytest.raises(CommandError) as caught:
        run([a], [broken, c])
    assert caught.value.message.startswith("role1: marker b: its commands ended with ")
    assert caught.value.message.endswith("code 100; think again")
    lines = caught.value.detail.splitlines()
    assert (lines[-1], lines[-2], len(lines)) == ("E: no network", "40", 30)
    assert run.counts == [(0, 1, 0), (0, 0, 1)]
    assert run.report.round_trips == 4
    assert (a.path.exists(), c.path.exists()) == (True, False)
    run([a], [b, c])  # goes on where it was
    assert run.counts == [(1, 0, 0), (0, 2, 0)]


def test_a_failure_that_repaired_it_anyway_is_still_a_failure(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a"
    with pytest.raises(CommandError, match="code 3;"):
        run([Marker(path, f"touch {path}; exit 3")])


def test_a_job_that_is_killed_is_a_failure_of_its_change(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"role0: marker a: .*code 137"):
        run([Marker(tmp_path / "a", "echo begun; kill -9 $$"), Marker(tmp_path / "b")])
    assert run.notes.events[-1] == "end marker a 137"
    assert run.counts == [(0, 0, 1)]


def test_a_job_that_never_began_is_no_success(run: Run, tmp_path: Path) -> None:
    class JobDies:
        """A session whose jobs are killed before their first change."""

        def __init__(self, session: Session) -> None:
            self.run, self._send = session.run, session.send
            self.round_trips = 0

        def send(
            self,
            requests: Sequence[Request],
            on_line: Callable[[str], None] | None = None,
            timeout: float | None = None,
        ) -> list[Result]:
            return [Result("", 137)] * len(requests) if on_line else self._send(requests)

    with pytest.raises(CommandError, match="1 of 1 changes"):
        run([Marker(tmp_path / "a")], session=JobDies(run.box.session()))  # type: ignore[arg-type]
    assert run.counts == [(0, 0, 0)]


def test_a_lock_that_is_held_ends_the_run_before_any_question(run: Run, tmp_path: Path) -> None:
    other = run.box.session()
    other.send([Request("lock", b"`invoke deploy` of bob")])
    with pytest.raises(BusyError, match="locked by `invoke deploy` of bob"):
        run([Marker(tmp_path / "a")])
    assert (run.notes.events, run.report.round_trips) == ([], 1)


def test_facts_that_forbid_the_run_end_it(run: Run, tmp_path: Path) -> None:
    def guard(facts: Facts) -> None:
        assert facts.os.id == "debian"
        raise PreflightError("no GPU")

    with pytest.raises(PreflightError, match="no GPU"):
        run([Marker(tmp_path / "a")], guard=guard)
    assert (run.notes.events, run.report.round_trips) == (["facts debian 12"], 1)
    assert not (tmp_path / "a").exists()


def test_a_probe_that_fails_ends_the_run_before_any_change(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match="marker b: the probe ended with exit code 127"):
        run([Marker(tmp_path / "a"), Marker(tmp_path / "b", probe_code=127)])
    assert not (tmp_path / "a").exists()


def test_roles_that_collide_end_the_run_before_any_question(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two roles both want marker a"):
        run([Marker(tmp_path / "a")], [Marker(tmp_path / "a")])
    assert run.report.round_trips == 1


def test_uploads_are_there_before_the_commands(run: Run, tmp_path: Path) -> None:
    path, content = tmp_path / "a", bytes(range(256)) * 300
    run([Marker(path, f"mv {path}.staged/x {path}", content)])
    assert path.read_bytes() == content
    assert run.report.round_trips == 4


def test_the_job_script_does_not_stay_on_the_box(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a"
    run([Marker(path, f"stat -c %a {FOLDER}; touch {path}  # token=s3cret")])
    assert run.notes.lines == ["700"]
    for left in (tmp_path / "box" / "job").iterdir():
        assert "s3cret" not in left.read_text()


def test_a_progress_bar_shows_its_last_state(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DriftError) as caught:
        run([Marker(tmp_path / "a", "printf '10%%\\r55%%\\r100%%\\ndone\\r\\n'")])
    assert run.notes.lines == caught.value.detail.splitlines() == ["100%", "done"]


def test_a_job_goes_on_without_us_and_retains_the_lock(run: Run, tmp_path: Path) -> None:
    path, begun, go_on = tmp_path / "a", tmp_path / "begun", tmp_path / "go-on"
    commands = (
        f"touch {begun}; echo working; while [ ! -e {go_on} ]; do sleep 0.02; done; touch {path}"
    )

    class Leaves(Notes):
        def line(self, item: Item, text: str) -> None:
            run.box.close()  # the connection breaks
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([Marker(path, commands)], notes=Leaves())
    waited: list[str] = []

    def end_the_job(holder: str) -> None:
        waited.append(holder)
        go_on.touch()

    run([Marker(path)], session=run.box.session(end_the_job))
    assert waited == ["`invoke provision` of ann"]
    assert (run.report.changed, run.report.ok) == (0, 1)


def test_what_the_run_itself_needs_is_removed_without_a_job(run: Run, tmp_path: Path) -> None:
    (tmp_path / "trace").mkdir()
    session = run.box.session()
    remove_own_traces(session, [NoPath(str(tmp_path / "trace")), NoPath(str(tmp_path / "never"))])
    assert not (tmp_path / "trace").exists()
    assert session.round_trips == 1


def test_what_is_skipped_is_counted_apart_and_never_changed(run: Run, tmp_path: Path) -> None:
    wanted = Marker(tmp_path / "a")
    run([wanted, Skipped("sysctl x", "container")])
    assert (run.report.changed, run.report.skipped) == (1, 1)
    run([wanted, Skipped("sysctl x", "container")])
    assert (run.report.changed, run.report.ok, run.report.skipped) == (0, 1, 1)
    assert run.report.to_json()["skipped"] == 1
    assert run.report.round_trips == 2
