"""Runs in several passes: changes that a reboot completes, roles that wait for others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from onecard.box.paths import JOB_SECRETS
from onecard.engine.host_plan import RolePlan, read_progress
from onecard.errors import CommandError, DriftError, RebootNeededError
from onecard.resources.base import NEEDS_REBOOT
from onecard.ssh.shell import Session
from tests.support.engine_run import Marker, Run


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.box.close()


class Later:
    """Roles that wait until a file is there."""

    def __init__(self, until: Path, *resources: Marker) -> None:
        self._until, self._resources = until, resources

    def __call__(self) -> Sequence[RolePlan]:
        if not self._until.exists():
            return (RolePlan("torch", (), waits=True), RolePlan("vllm", (), waits=True))
        return (RolePlan("torch", ()), RolePlan("vllm", self._resources))


class Boots:
    """Reboots: the resources that need one are there after it."""

    def __init__(self, run: Run, *mended: Path) -> None:
        self._run, self._mended = run, mended
        self.reasons: list[str] = []

    def __call__(self, reason: str) -> Session:
        self.reasons.append(reason)
        self._run.box.close()
        for path in self._mended:
            path.touch()
        return self._run.box.session()


def needing(path: Path) -> Marker:
    return Marker(path, f"echo nouveau holds the card; exit {NEEDS_REBOOT}")


def test_a_reboot_that_nobody_allowed_ends_the_run(run: Run, tmp_path: Path) -> None:
    a, b, c, d = (tmp_path / name for name in "abcd")
    with pytest.raises(RebootNeededError) as caught:
        run([Marker(a)], [needing(b), Marker(c)], later=Later(b, Marker(d)))
    assert caught.value.message == (
        "role1: marker b: nouveau holds the card; a reboot is needed; torch, vllm wait for it: run "
        "this again with --reboot, or set allow_reboot: true (what was done until here stays)"
    )
    assert (a.exists(), b.exists(), c.exists(), d.exists()) == (True, False, False, False)
    assert run.counts == [(0, 1, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0)]
    assert run.report.round_trips == 4


def test_a_run_goes_on_after_the_reboot(run: Run, tmp_path: Path) -> None:
    a, b, c, d = (tmp_path / name for name in "abcd")
    boots = Boots(run, b)
    plan = run([Marker(a)], [needing(b), Marker(c)], later=Later(b, Marker(d)), reboot=boots)
    assert boots.reasons == ["role1: marker b: nouveau holds the card"]
    assert all(path.exists() for path in (a, b, c, d))
    # b was corrected by the reboot, and is in order when it is probed after it
    assert run.counts == [(0, 1, 0), (1, 1, 0), (0, 0, 0), (0, 1, 0)]
    assert (len(plan.changes), plan.waiting) == (3, ("torch", "vllm"))
    assert run.report.round_trips == 8
    assert run.report.status == "changed"
    assert run.verbs[0] == "lock"  # the lock went with the old boot


def test_a_reboot_that_repairs_nothing_is_the_last(run: Run, tmp_path: Path) -> None:
    boots = Boots(run)
    with pytest.raises(DriftError, match=r"nouveau holds the card \(after the reboot too\)"):
        run([needing(tmp_path / "a")], reboot=boots)
    assert len(boots.reasons) == 1


def test_roles_that_wait_are_evaluated_again_without_a_reboot(run: Run, tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    run([Marker(a)], later=Later(a, Marker(b)))
    assert b.exists()
    assert run.counts == [(0, 1, 0), (0, 0, 0), (0, 1, 0)]
    assert run.verbs.count("lock") == 1


def test_roles_that_wait_for_ever_are_given_up(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DriftError, match="after 3 passes torch, vllm still cannot run"):
        run([], later=Later(tmp_path / "never"))


def test_check_names_what_waits_and_reboots_nothing(run: Run, tmp_path: Path) -> None:
    boots = Boots(run)
    plan = run([needing(tmp_path / "a")], later=Later(tmp_path / "a"), check=True, reboot=boots)
    assert (plan.waiting, boots.reasons) == (("torch", "vllm"), [])


def test_a_fix_reports_in_one_line_why_it_failed(run: Run, tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        run([Marker(tmp_path / "a", "echo noise; echo error: no room; exit 3")])
    assert (caught.value.message, caught.value.detail) == ("role0: marker a: no room", "")


def test_the_causes_that_uv_names_below_its_error_are_shown(run: Run, tmp_path: Path) -> None:
    uv = (
        "printf '%s\\n' 'error: Failed to download `vllm==0.25.1`' "
        "'  cause: `RECORD` file is invalid' '  cause: CSV error: record 687' 'done'; exit 1"
    )
    with pytest.raises(CommandError) as caught:
        run([Marker(tmp_path / "a", uv)])
    assert caught.value.message.endswith(
        "Failed to download `vllm==0.25.1`: `RECORD` file is invalid: CSV error: record 687"
    )


def test_a_fix_reports_how_far_it_is(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a"
    run([Marker(path, f"echo @onecard-progress 0.25 1 of 4 GiB; touch {path}")])
    assert run.notes.events[-2:] == ["0.25 1 of 4 GiB", "end marker a 0"]
    assert run.notes.lines == []


@pytest.mark.parametrize(
    ("line", "reported"),
    [
        ("@onecard-progress 0.5 half", (0.5, "half")),
        ("@onecard-progress 7 over", (1.0, "over")),
        ("@onecard-progress 0.5", (0.5, "")),
        ("@onecard-progress", None),
        ("@onecard-progress soon it is there", None),
        ("progress 0.5", None),
    ],
)
def test_progress(line: str, reported: tuple[float, str] | None) -> None:
    assert read_progress(line) == reported


def test_secrets_go_with_the_job(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a"
    run([Marker(path, f"mkdir {JOB_SECRETS}; touch {JOB_SECRETS}/token {path}")])
    assert not (tmp_path / "box" / "job" / "secrets").exists()
