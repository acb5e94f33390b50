"""The root shell over a pipe that misbehaves, and the ways to become root."""

from __future__ import annotations

import re
import select
from collections.abc import Callable
from pathlib import Path

import pytest

from onecard.credentials.secret import Secret
from onecard.errors import AuthenticationError, CommandError, UnreachableError
from onecard.ssh.shell import Request, Result, Session
from tests.support.local_pipe import LocalPipe


class ScriptedPipe:
    """A pipe whose output a function of the nonce and the input decides; None is the end."""

    def __init__(self, reply: Callable[[str, bytes], bytes | None]) -> None:
        self._reply = reply
        self._waiting: list[bytes | None] = []
        self.written: list[bytes] = []
        self.nonce = self.command = ""

    def open(self, command: str) -> ScriptedPipe:
        match = re.search(r"echo ([0-9a-f]{16}) sh", command)
        assert match is not None
        self.command, self.nonce = command, match[1]
        started = f"{self.nonce} sh\n".encode()
        self._waiting = [started, self._reply(self.nonce, b"")]
        return self

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self._waiting.append(self._reply(self.nonce, data))

    def read(self, timeout: float) -> bytes | None:
        if not self._waiting:
            select.select([], [], [], min(timeout, 0.01))
            return None
        return self._waiting.pop(0) or b""

    def close(self) -> None:
        self._waiting = [None]


def ready_then(output: bytes | None) -> Callable[[str, bytes], bytes | None]:
    return lambda nonce, data: output if data else f"{nonce} ready\n".encode()


def test_a_banner_before_the_shell_is_ready_does_no_harm() -> None:
    def reply(nonce: str, data: bytes) -> bytes:
        printed = f"out\n\n{nonce} 0\n" if data else f"Welcome!\r\nmesg: no\n{nonce} ready\r\n"
        return printed.encode()

    assert Session(ScriptedPipe(reply).open).run("echo out") == Result("out", 0)


def test_the_frame_may_come_in_pieces_and_with_carriage_returns() -> None:
    def reply(nonce: str, data: bytes) -> bytes:
        return f"out\r\n\r\n{nonce} 3\r\n".encode() if data else f"{nonce} ready\n".encode()

    pipe = ScriptedPipe(reply)
    whole_read = pipe.read
    pieces: list[bytes] = []

    class Slow:
        write, close = pipe.write, pipe.close

        def read(self, timeout: float) -> bytes | None:
            if not pieces:
                chunk = whole_read(timeout)
                if not chunk:
                    return chunk
                pieces.extend(chunk[i : i + 1] for i in range(len(chunk)))
            return pieces.pop(0)

    def open_slow(command: str) -> Slow:
        pipe.open(command)
        return Slow()

    assert Session(open_slow).run("x") == Result("out", 3)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"command_timeout": 0.05}, "command_timeout"),
        ({"idle_timeout": 0.05}, "idle_timeout"),
    ],
)
def test_silence_is_given_up(limits: dict[str, float], message: str) -> None:
    session = Session(ScriptedPipe(ready_then(b"some output\n")).open, **limits)
    with pytest.raises(CommandError, match=message):
        session.run("x")


def test_a_script_may_have_a_limit_of_its_own() -> None:
    session = Session(ScriptedPipe(ready_then(b"begun\n")).open)
    with pytest.raises(CommandError, match="no end after 0 s"):
        session.run("x", timeout=0.05)


@pytest.mark.parametrize("output", [None, b"half a li"])
def test_a_connection_lost_in_the_middle(output: bytes | None) -> None:
    pipe = ScriptedPipe(ready_then(output))
    session = Session(pipe.open)
    pipe.write(b"run 1\nx")
    pipe.write = lambda data: pipe._waiting.append(None)  # type: ignore[method-assign]
    with pytest.raises(UnreachableError, match="the connection to the box was lost"):
        session.run("x")


def test_a_password_is_requested_once_and_never_in_an_argument() -> None:
    requested = []

    def reply(nonce: str, data: bytes) -> bytes:
        return f"{nonce} ready\n".encode() if data else f"{nonce} password\n".encode()

    def ask() -> Secret:
        requested.append(1)
        return Secret("s3cret")

    pipe = ScriptedPipe(reply)
    Session(pipe.open, prompt_password=ask)
    assert (pipe.written, requested) == ([b"s3cret\n"], [1])
    assert "s3cret" not in pipe.command


def asks_again(nonce: str, data: bytes) -> bytes:
    return f"Sorry, try again.\n{nonce} password\n".encode()


def says(*events: str) -> Callable[[str, bytes], bytes]:
    """What the login script prints, whatever it is sent."""
    return lambda nonce, _: "".join(f"{nonce} {event}\n" for event in events).encode()


@pytest.mark.parametrize(
    ("reply", "password", "message"),
    [
        (asks_again, "wrong", "sudo did not accept the password"),
        (asks_again, None, "sudo wants a password: set ONECARD_SUDO_PASSWORD"),
        (lambda nonce, _: f"{nonce} no-sudo\n".encode(), "x", "the box has no sudo"),
        (says("user ann P", "not-allowed"), "x", r"^user ann may not use sudo on box1: log in as"),
        (says("user ann L", "not-allowed"), None, r"with visudo: ann ALL=\(ALL\) NOPASSWD: ALL$"),
        (says("user ann L", "password"), None, "on box1, which wants a password, and this account"),
        (says("user ann P", "password"), None, "sudo wants a password: set ONECARD_SUDO_PASSWORD"),
        (says("user ann ", "password"), None, "sudo wants a password: set ONECARD_SUDO_PASSWORD"),
        (says("user ann L", "no-tty"), "x", r"requiretty in sudoers.*`Defaults:ann !requiretty`"),
    ],
)
def test_a_login_that_cannot_become_root(
    reply: Callable[[str, bytes], bytes], password: str | None, message: str
) -> None:
    secret = None if password is None else Secret(password)
    with pytest.raises(AuthenticationError, match=message):
        Session(ScriptedPipe(reply).open, host="box1", prompt_password=lambda: secret)


@pytest.mark.parametrize(
    ("last_words", "error", "message"),
    [
        ("ann is not in the sudoers file.\n", AuthenticationError, "may not use sudo"),
        (
            "Sorry, user ann is not allowed to execute '/bin/sh' as root on box.\n",
            AuthenticationError,
            "may not use sudo",
        ),
        ("Sorry, user ann is not allowed to execute 'sh -c\n", AuthenticationError, "may not use"),
        ("sh: 1: cannot fork\n", UnreachableError, "ended before"),
    ],
)
def test_a_shell_that_never_gets_ready(
    last_words: str, error: type[Exception], message: str
) -> None:
    replies = [last_words.encode(), b""]

    class Ends(ScriptedPipe):
        def read(self, timeout: float) -> bytes | None:
            return self._waiting.pop(0) if len(self._waiting) == 2 else replies.pop(0)

    with pytest.raises(error, match=message) as caught:
        Session(Ends(lambda nonce, data: b"").open)
    assert caught.value.detail == last_words.strip()  # type: ignore[attr-defined]


SUDO = """#!/bin/sh
if [ "$1" = -n ]; then shift; [ -e "$0.free" ] || exit 1; exec "$@"; fi
[ "$1 $2" = "-S -p" ] || exit 9
prompt=$3; shift 3
printf %s "$prompt" >&2; IFS= read -r word
[ "$word" = "pass word" ] || { printf %s "$prompt" >&2; read -r word; exit 1; }
BECAME=root exec env BECAME=root "$@"
"""


@pytest.mark.parametrize(
    ("free", "password", "became"),
    [(True, None, ""), (False, "pass word", "root"), (False, "wrong", None)],
)
def test_the_login_script_through_a_stand_in_for_sudo(
    tmp_path: Path, free: bool, password: str | None, became: str | None
) -> None:
    for name, text in (("id", "#!/bin/sh\necho 1000\n"), ("sudo", SUDO)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    if free:
        (tmp_path / "sudo.free").touch()
    pipes: list[LocalPipe] = []

    def open_pipe(command: str) -> LocalPipe:
        path = f"{tmp_path}:/usr/bin:/bin"
        pipes.append(LocalPipe(command, tmp_path, environment={"PATH": path}))
        return pipes[0]

    secret = None if password is None else Secret(password)
    files = {*Path("/dev/shm").iterdir()}
    try:
        if became is None:
            with pytest.raises(AuthenticationError, match="did not accept"):
                Session(open_pipe, prompt_password=lambda: secret)
            return
        first = (Request.run('echo "$BECAME" \'$x\' "a  b"'),)
        session = Session(open_pipe, prompt_password=lambda: secret, first=first)
        assert session.send(first)[0].output == f"{became} $x a  b"
        assert bool(pipes[0].requests) == (not free)  # where sudo has read a password
        assert session.run("echo later").output == "later"
        assert {*Path("/dev/shm").iterdir()} - files == set()
    finally:
        pipes[0].close()


REFUSING_SUDO = """#!/bin/sh
[ "$1" = -n ] || exit 9
{ [ "$2" = -v ] && echo @verdict@ || echo @answer@; } >&2
exit 1
"""
WANTS = "sudo: a password is required"


@pytest.mark.parametrize(
    ("answer", "verdict", "message"),
    [
        (WANTS, "Sorry, user ann may not run sudo on box1.", "user ann may not use sudo on box1"),
        ("sudo: sorry, you must have a tty to run sudo", WANTS, "wants a terminal .requiretty"),
    ],
)
def test_a_refusal_is_heard_before_a_password_is_requested(
    tmp_path: Path, answer: str, verdict: str, message: str
) -> None:
    sudo = REFUSING_SUDO.replace("@answer@", f"'{answer}'").replace("@verdict@", f"'{verdict}'")
    identity = '#!/bin/sh\n[ "$1" = -un ] && echo ann || echo 1000\n'
    for name, text in (("id", identity), ("sudo", sudo)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    pipes: list[LocalPipe] = []

    def open_pipe(command: str) -> LocalPipe:
        path = f"{tmp_path}:/usr/bin:/bin"
        pipes.append(LocalPipe(command, tmp_path, environment={"PATH": path}))
        return pipes[0]

    def ask() -> Secret:
        raise AssertionError("asked in vain")

    try:
        with pytest.raises(AuthenticationError, match=message):
            Session(open_pipe, host="box1", prompt_password=ask)
    finally:
        pipes[0].close()


def test_a_password_may_be_typed_as_slowly_as_a_person_types(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr("onecard.ssh.shell.time.monotonic", lambda: clock[0])

    def reply(nonce: str, data: bytes) -> bytes:
        return f"{nonce} ready\n".encode() if data else f"{nonce} password\n".encode()

    pipe = ScriptedPipe(reply)
    reads = [pipe.read]

    def slow_read(timeout: float) -> bytes | None:
        """Nothing comes for a moment after the password: the box thinks about it."""
        clock[0] += 1
        return None if pipe.written and clock[0] < 95 else reads[0](timeout)

    def ask() -> Secret:
        clock[0] += 90
        return Secret("s3cret")

    monkeypatch.setattr(pipe, "read", slow_read)
    Session(pipe.open, prompt_password=ask)
    assert clock[0] > 90


def test_a_login_that_hangs_is_an_unreachable_box(monkeypatch: pytest.MonkeyPatch) -> None:
    """As while it boots: who waits for it tries again."""
    clock = iter(range(10_000))
    monkeypatch.setattr("onecard.ssh.shell.time.monotonic", lambda: float(next(clock)))
    with pytest.raises(UnreachableError, match="not ready within 60 s"):
        Session(ScriptedPipe(lambda nonce, data: b"Welcome!\n").open)
