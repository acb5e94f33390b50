"""A fault, and one try of it: provoke it while a command runs, run the command again, and look."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field

from tests.faults.scene import NOTES, TRACEBACK, Look, Scene, matches, on_the_box
from tests.faults.strikes import Strike, TooLateError
from tests.faults.work import Work

# A Ctrl-C before any of onecard is loaded: Python itself reports where it was.
LOADING = "from invoke.main import program"


@dataclass(frozen=True)
class Fault:
    """A fault, as data.

    works: the commands that it happens to. before, after: shell on the box around the command.
    strike: what happens in its middle. through: shell on this computer that runs the command as
    "$@", with mounts of its own. says: a pattern in what the command prints. codes: how it may
    end; empty for any. tries: of each command, in a whole run. short: the command of the run in CI.
    pod: it happens to a box without systemd.
    """

    name: str
    works: tuple[Work, ...]
    strike: Strike | None = None
    before: str = ""
    after: str = ""
    through: str = ""
    says: str = ""
    codes: tuple[int, ...] = ()
    tries: int = 3
    short: Work | None = None
    pod: bool = False

    def is_explained(self, code: int, printed: str) -> bool:
        """Return whether a command ended and reported as it has to.

        Where it may succeed or fail, a success has nothing to report.
        """
        if self.codes and code not in self.codes:
            return False
        return (code == 0 and len(self.codes) > 1) or matches(self.says, printed)


@dataclass
class Outcome:
    """What one try found; each list holds a line for what is not as it has to be."""

    not_converged: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    wrong_messages: list[str] = field(default_factory=list)

    @property
    def trouble(self) -> list[str]:
        """Return every line."""
        return [line for lines in vars(self).values() for line in lines]


def attempt(fault: Fault, work: Work, scene: Scene) -> Outcome | None:
    """Provoke a fault once; return what it left, None where the command had ended before."""
    scene.serve()
    words = work.prepare(scene)
    before, outcome = scene.look(), Outcome()
    with on_the_box(scene, fault.before, fault.after):
        started = time.monotonic()
        running = _begin(fault, scene, words)
        struck = _strike(fault, work, scene, running, words, outcome)
        _, printed = running.communicate(timeout=900)
        if running.returncode == 0:
            took = time.monotonic() - started
            scene.took[work.name] = max(took, scene.took.get(work.name, 0))
    struck = struck and LOADING not in printed
    if TRACEBACK in printed and LOADING not in printed:
        outcome.tracebacks.append(printed)
    if struck and not fault.is_explained(running.returncode, printed):
        outcome.wrong_messages.append(f"exit code {running.returncode}: {printed}")
    scene.wait_for_job()
    if work.serves and not fault.before:
        try:  # a server that was killed is started again by its service manager
            scene.wait_until(scene.serves, "neither the old release nor the new one serves")
        except AssertionError as error:
            outcome.lost.append(f"{error}; exit code {running.returncode}: {printed}")
    _run_again(work, scene, words, outcome)
    _compare(work, before, scene.look(), outcome)
    outcome.lost += [f"lines of the record {name}" for name in scene.broken_records()]
    return outcome if struck or outcome.trouble else None


def _begin(fault: Fault, scene: Scene, words: tuple[str, ...]) -> subprocess.Popen[str]:
    shell = ("unshare", "--mount", "bash", "-c", fault.through, "bash") if fault.through else ()
    return scene.controller.begin(*words, before=shell)


def _strike(
    fault: Fault,
    work: Work,
    scene: Scene,
    running: subprocess.Popen[str],
    words: tuple[str, ...],
    outcome: Outcome,
) -> bool:
    """Wait for the moment and strike; return False where the command has ended before."""
    if fault.strike is None:
        return True
    moment = scene.random.uniform(0, scene.took.get(work.name, work.seconds))
    try:
        running.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        pass
    else:
        return False
    try:
        fault.strike(scene, running, words)
    except AssertionError as error:
        outcome.wrong_messages.append(str(error))
    except TooLateError:
        return False
    return True


def _run_again(work: Work, scene: Scene, words: tuple[str, ...], outcome: Outcome) -> None:
    """Run the command again, without the fault: it has to converge."""
    again = scene.controller.invoke(*words)
    if TRACEBACK in again.stdout + again.stderr:
        outcome.tracebacks.append(again.stdout + again.stderr)
    try:
        assert again.returncode == 0, f"exit code {again.returncode}: {again.stderr}"
        work.done(scene, words)
    except AssertionError as error:
        outcome.not_converged.append(str(error))


def _compare(work: Work, before: Look, after: Look, outcome: Outcome) -> None:
    """Note what is lost and what is doubled."""
    if after.notes != before.notes:
        outcome.lost.append(f"{NOTES}, a file that is not onecard's")
    if not work.serves:
        return
    if after.newest < before.newest or after.releases < before.releases - 1:
        outcome.lost.append(f"a release: {before}, then {after}")
    if after.newest > before.newest + work.releases:
        outcome.doubled.append(f"a release: {before}, then {after}")
    if after.servers != 1:
        outcome.doubled.append(f"the server: {after.servers} processes")
    if after.halves:
        outcome.doubled.append(f"half-written files: {after.halves}")
