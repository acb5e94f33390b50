"""What strikes while a command runs: each at a moment drawn from the time that the command takes."""

from __future__ import annotations

import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from onecard.sandbox.common.names import Labels
from tests.faults.scene import HOST, Scene, matches

# (the scene, the command that runs, its words): AssertionError where what it sees is not right,
# TooLateError where the command had ended.
Strike = Callable[[Scene, "subprocess.Popen[str]", tuple[str, ...]], None]


class TooLateError(Exception):
    """The command ended before the fault."""


_BOOT = "cat /proc/sys/kernel/random/boot_id"


def signalled(number: signal.Signals) -> Strike:
    """Return a strike that sends the controller a signal."""

    def strike(scene: Scene, running: subprocess.Popen[str], words: tuple[str, ...]) -> None:
        running.send_signal(number)

    return strike


def on_box(shell: str) -> Strike:
    """Return a strike that runs shell on the box, apart from the login that starts it."""
    apart = f"setsid sh -c {shlex.quote(f'sleep 0.2; {shell}')} >/dev/null 2>&1 </dev/null &"

    def strike(scene: Scene, running: subprocess.Popen[str], words: tuple[str, ...]) -> None:
        scene.box(apart)

    return strike


# All sessions but the one that runs this.
_CUT = (
    "for session in $(pgrep -f '^sshd: [^ ]*@'); do "
    "[ $session = $PPID ] || { kill -9 $session && echo cut; }; done; true"
)


def cut(scene: Scene, running: subprocess.Popen[str], words: tuple[str, ...]) -> None:
    """End the command's session on the box, once there is one, as a restarted sshd would."""
    while "cut" not in scene.box(_CUT):
        if running.poll() is not None:
            raise TooLateError


def away(seconds: float) -> Strike:
    """Return a strike that takes the box off the network: nothing passes, and nothing says so."""

    def strike(scene: Scene, running: subprocess.Popen[str], words: tuple[str, ...]) -> None:
        with _link_down(scene), suppress(subprocess.TimeoutExpired):
            running.wait(seconds)
        # The first connections after it may still fail, until the neighbour is found again.
        scene.wait_until(lambda: scene.reached("echo up") != "", "the box is not back")

    return strike


def second_run(scene: Scene, running: subprocess.Popen[str], words: tuple[str, ...]) -> None:
    """Start the same command again: it is refused, or is in time for nothing to do."""
    other = scene.controller.invoke(*words)
    _refused_or_done(other)


def second_run_beside_a_stopped_one(
    scene: Scene, running: subprocess.Popen[str], words: tuple[str, ...]
) -> None:
    """Halt the controller, as Ctrl-Z does, and start the same command again."""
    running.send_signal(signal.SIGSTOP)
    try:
        other = scene.controller.invoke(*words)
    finally:
        running.send_signal(signal.SIGCONT)
    _refused_or_done(other)


def second_run_after_a_killed_one(
    scene: Scene, running: subprocess.Popen[str], words: tuple[str, ...]
) -> None:
    """Kill the controller, whose job goes on and holds the lock, and start the same command."""
    running.kill()
    running.communicate()
    other = scene.controller.invoke(*words)
    assert other.returncode == 0, f"the second run: {other.stderr}"


def other_command(*words: str) -> Strike:
    """Return a strike that starts another command: it is refused, or is in time."""

    def strike(scene: Scene, running: subprocess.Popen[str], first: tuple[str, ...]) -> None:
        _refused_or_done(scene.controller.invoke(*words, "--host", HOST))

    return strike


def reboot(scene: Scene, running: subprocess.Popen[str], words: tuple[str, ...]) -> None:
    """Reboot the box, and wait until it serves again what it is set to."""
    before = scene.box(_BOOT)
    scene.box("systemctl reboot --no-block")
    scene.wait_until(lambda: scene.reached(_BOOT) not in ("", before), "the box did not come back")
    running.wait(300)
    scene.wait_until(scene.serves, "nothing serves after the reboot")


def stop_pod(scene: Scene, running: subprocess.Popen[str], words: tuple[str, ...]) -> None:
    """Stop and start a pod, whose volume alone stays; bring it back as docs/pods.md says."""
    scene.restart()
    running.wait(300)
    for command in (("trust", "--replace"), ("provision",), ("start",)):
        done = scene.controller.invoke(*command, "--host", HOST)
        assert done.returncode == 0, f"{command[0]} after the stop: {done.stderr}"


def _refused_or_done(other: subprocess.CompletedProcess[str]) -> None:
    locked = other.returncode == 1 and matches("locked by `invoke ", other.stderr)
    assert other.returncode == 0 or locked, f"the second run: {other.stderr}"


@contextmanager
def _link_down(scene: Scene) -> Iterator[None]:
    interface = Labels.of(scene.controller.inventory.parent).interface(HOST)
    subprocess.run(["ip", "link", "set", interface, "down"], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "set", interface, "up"], check=True)
