"""The root shell: a real `sh` at the other end of the pipe, or a pipe that misbehaves."""

from __future__ import annotations

import re
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onecard.errors import AuthenticationError, BusyError, CommandError, UnreachableError
from onecard.secret import Secret
from onecard.session import Request, Result, Session
from tests.support.local_pipe import LocalBox, LocalPipe


@pytest.fixture
def box(tmp_path: Path) -> Iterator[LocalBox]:
    box = LocalBox(tmp_path)
    yield box
    box.close()


@pytest.mark.parametrize(
    ("script", "result"),
    [
        ("echo hello", Result("hello", 0)),
        ("printf hello", Result("hello", 0)),
        ("printf 'a\\n\\n'", Result("a\n", 0)),
        ("", Result("", 0)),
        ("true", Result("", 0)),
        ("echo out; echo err >&2", Result("out\nerr", 0)),
        ("exit 7", Result("", 7)),
        ("echo before; exit 3", Result("before", 3)),
        ("kill -9 $$", Result("Killed", 137)),
        ("if", Result("", 2)),
        ("printf '0123456789abcdef 0\\n'", Result("0123456789abcdef 0", 0)),
        ("echo äö€", Result("äö€", 0)),
        ("printf '\\377'", Result("\ufffd", 0)),
        ("id >/dev/null; umask; echo $LC_ALL", Result("0022\nC", 0)),
    ],
)
def test_output_and_exit_code(box: LocalBox, script: str, result: Result) -> None:
    session = box.session()
    answer = session.run(script)
    if script == "if":  # the shell's own words
        answer = Result("", answer.code)
    assert answer == result
    assert session.run("echo still here") == Result("still here", 0)


def test_several_requests_are_one_round_trip(box: LocalBox, tmp_path: Path) -> None:
    session = box.session()
    assert session.round_trips == 0
    results = session.ask(
        [
            Request("put", b"content", str(tmp_path / "a b")),
            Request.run(f"cat '{tmp_path}/a b'; exit 5"),
            Request.run("echo second"),
        ]
    )
    assert results == [Result("", 0), Result("content", 5), Result("second", 0)]
    assert session.round_trips == 1
    session.run("true")
    assert session.round_trips == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"x", bytes(range(256)) * 1000, b"run 5\nexit\n", b"\n\n\0\r\n", "ä'\"$`\\".encode()],
    ids=["empty", "one", "binary", "a request", "breaks", "quotes"],
)
def test_put_writes_exactly_these_bytes(box: LocalBox, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    box.session().ask([Request("put", content, str(path))])
    assert path.read_bytes() == content


def test_a_file_that_cannot_be_written_is_named_and_the_shell_lives_on(
    box: LocalBox, tmp_path: Path
) -> None:
    session = box.session()
    path = tmp_path / "nowhere" / "file"
    with pytest.raises(CommandError, match=f"could not write {path}"):
        session.ask([Request("put", b"run 4\nboom" * 20000, str(path)), Request.run("echo next")])
    assert session.run("echo still here").output == "still here"


def test_a_script_that_ends_early_leaves_the_rest_of_it_unread(box: LocalBox) -> None:
    session = box.session()
    assert session.run("exit 3\n" + "# padding\n" * 50000).code == 3
    assert session.run("echo still here").output == "still here"


def test_a_script_sees_nothing_of_the_next_request(box: LocalBox) -> None:
    session = box.session()
    results = session.ask([Request.run("cat\necho swallowed"), Request.run("echo next")])
    # Whether `cat` gets the script's own rest depends on how far the shell reads ahead.
    assert results[1] == Result("next", 0)


def test_scripts_do_not_share_a_shell(box: LocalBox) -> None:
    session = box.session()
    session.run("x=1; cd /; set -e; trap 'echo bye' EXIT")
    assert session.run('echo "${x-unset}"').output == "unset"


def test_lines_are_told_as_they_come_and_not_kept(box: LocalBox, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    lines: list[str] = []

    def note(line: str) -> None:
        lines.append(line)
        go_on.touch()

    script = f"echo first\nwhile [ ! -e {go_on} ]; do sleep 0.02; done\necho second; exit 4"
    assert box.session().run(script, on_line=note, timeout=10) == Result("", 4)
    assert lines == ["first", "second"]


def test_the_lock_names_who_holds_it_and_goes_with_the_shell(box: LocalBox) -> None:
    holder = "`invoke deploy` of ann@laptop (pid 7) since 2025-01-01 10:00:00 UTC"
    first, second = box.session(), box.session()
    first.ask([Request("lock", holder.encode())])
    with pytest.raises(BusyError) as caught:
        second.ask([Request("lock", b"me"), Request.run("echo probe")])
    assert f"locked by {holder};" in caught.value.message
    assert second.run("echo usable").output == "usable"
    box.pipes[0].close()
    second.ask([Request("lock", b"me")])
    assert (box.folder / "holder").read_text() == "me\n"


def test_a_job_that_outlives_its_session_keeps_the_lock(box: LocalBox, tmp_path: Path) -> None:
    stop, begun = tmp_path / "stop", tmp_path / "begun"
    first = box.session()
    job = f"touch {begun}; while [ ! -e {stop} ]; do sleep 0.02; done"
    first.ask(
        [
            Request("lock", b"the first"),
            Request.run(
                f"setsid sh -c '{job}' </dev/null >/dev/null 2>&1 &\n"
                f"while [ ! -e {begun} ]; do sleep 0.02; done"
            ),
        ]
    )
    box.pipes[0].close()
    second = box.session()
    with pytest.raises(BusyError, match="the first"):
        second.ask([Request("lock", b"the second")])
    stop.touch()
    deadline = time.monotonic() + 10
    while True:
        try:
            second.ask([Request("lock", b"the second")])
            break
        except BusyError:
            assert time.monotonic() < deadline


def test_a_shell_that_dies_is_a_lost_connection(box: LocalBox) -> None:
    session = box.session()
    with pytest.raises(UnreachableError, match="lost while a script was running"):
        session.run("read -r _ _ _ shell _ </proc/$PPID/stat; kill -9 $shell")


class ScriptedPipe:
    """A pipe whose output a function of the nonce and the input decides; None is the end."""

    def __init__(self, reply: Callable[[str, bytes], bytes | None]) -> None:
        self._reply = reply
        self._waiting: list[bytes | None] = []
        self.written: list[bytes] = []
        self.nonce = self.command = ""

    def open(self, command: str) -> ScriptedPipe:
        match = re.search(r"([0-9a-f]{16}) no-sudo", command)
        assert match is not None
        self.command, self.nonce = command, match[1]
        self._waiting = [self._reply(self.nonce, b"")]
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
    pipe = ScriptedPipe(lambda nonce, _: f"Welcome!\r\nmesg: no\n{nonce} ready\r\n".encode())
    Session(pipe.open)


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


def test_a_password_is_asked_for_once_and_never_in_an_argument() -> None:
    asked = []

    def reply(nonce: str, data: bytes) -> bytes:
        return f"{nonce} ready\n".encode() if data else f"{nonce} password\n".encode()

    def ask() -> Secret:
        asked.append(1)
        return Secret("s3cret")

    pipe = ScriptedPipe(reply)
    Session(pipe.open, ask_password=ask)
    assert (pipe.written, asked) == ([b"s3cret\n"], [1])
    assert "s3cret" not in pipe.command


def asks_again(nonce: str, data: bytes) -> bytes:
    return f"Sorry, try again.\n{nonce} password\n".encode()


@pytest.mark.parametrize(
    ("reply", "password", "message"),
    [
        (asks_again, "wrong", "sudo did not accept the password"),
        (asks_again, None, "sudo wants a password: set ONECARD_SUDO_PASSWORD"),
        (lambda nonce, _: f"{nonce} no-sudo\n".encode(), "x", "the box has no sudo"),
    ],
)
def test_a_login_that_cannot_become_root(
    reply: Callable[[str, bytes], bytes], password: str | None, message: str
) -> None:
    secret = None if password is None else Secret(password)
    with pytest.raises(AuthenticationError, match=message):
        Session(ScriptedPipe(reply).open, ask_password=lambda: secret)


@pytest.mark.parametrize(
    ("last_words", "error", "message"),
    [
        ("ann is not in the sudoers file.\n", AuthenticationError, "may not use sudo"),
        (
            "Sorry, user ann is not allowed to execute '/bin/sh' as root on box.\n",
            AuthenticationError,
            "may not use sudo",
        ),
        ("This account is currently not available.\n", UnreachableError, "ended before"),
    ],
)
def test_a_shell_that_never_gets_ready(
    last_words: str, error: type[Exception], message: str
) -> None:
    replies = [last_words.encode(), b""]

    class Ends(ScriptedPipe):
        def read(self, timeout: float) -> bytes | None:
            return replies.pop(0)

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
    try:
        if became is None:
            with pytest.raises(AuthenticationError, match="did not accept"):
                Session(open_pipe, ask_password=lambda: secret)
            return
        session = Session(open_pipe, ask_password=lambda: secret)
        assert session.run('echo "$BECAME" \'$x\' "a  b"').output == f"{became} $x a  b"
    finally:
        pipes[0].close()
