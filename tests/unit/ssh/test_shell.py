"""The root shell, with a real `sh` at the other end of the pipe."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from onecard.errors import BusyError, CommandError, UnreachableError
from onecard.ssh import shell
from onecard.ssh.shell import Request, Result
from tests.support.local_pipe import LocalBox


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
        (r"echo 'a\nb\c' \\d", Result(r"a\nb\c \d", 0)),
        (r"(x=$(echo 'a\tb'); echo $x)", Result(r"a\tb", 0)),
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
    results = session.send(
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


FIRST = (Request("lock", b"ann"), Request.run("echo first\ncat\necho 'a\\nb'\n"))


def test_the_first_requests_are_answered_without_another_byte(box: LocalBox) -> None:
    session = box.session(first=FIRST)
    assert session.send(FIRST) == [Result("", 0), Result("first\na\\nb", 0)]
    assert (box.pipes[-1].early[0][0], box.pipes[-1].requests) == ("lock", [])
    assert session.run("echo later") == Result("later", 0)
    assert session.round_trips == 2
    with pytest.raises(BusyError, match="locked by ann"):
        box.session(first=FIRST).send(FIRST)


@pytest.mark.parametrize("script", ["echo x", "", "exit 3", "printf x", "cat; exit 3\n\n\n"])
def test_first_requests_of_every_kind_leave_the_shell_in_order(box: LocalBox, script: str) -> None:
    first = (Request.run(script), Request.run("echo second"))
    plain = box.session().send(first)
    session = box.session(first=first)
    assert session.send(first) == plain
    assert session.run("echo later") == Result("later", 0)


def test_long_first_requests(box: LocalBox) -> None:
    words = [f"word{number}" for number in range(20_000)]
    first = (Request.run(f"set -- {' '.join(words)}\necho $#"),)
    session = box.session(first=first)
    assert session.send(first) == [Result("20000", 0)]
    assert box.pipes[-1].requests == []


def test_first_requests_that_are_too_long_for_a_command(box: LocalBox) -> None:
    first = (Request.run(f"echo in #{secrets.token_hex(100_000)}"),)
    session = box.session(first=first)
    assert session.send(first) == [Result("in", 0)]
    assert (box.pipes[-1].early, len(box.pipes[-1].requests)) == ([], 1)


def test_another_first_request_than_the_expected_one(box: LocalBox) -> None:
    session = box.session(first=FIRST)
    assert session.run("echo other") == Result("other", 0)
    assert session.send(FIRST) == [Result("", 0), Result("first\na\\nb", 0)]


def test_a_box_that_cannot_unpack_the_first_requests_gets_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "base64", "head", "cat", "id", "mkdir", "flock"):
        (programs / name).symlink_to(shutil.which(name))  # type: ignore[arg-type]
    monkeypatch.setenv("PATH", str(programs))
    (tmp_path / "box").mkdir()
    box = LocalBox(tmp_path / "box")
    session = box.session(first=FIRST[1:])
    try:
        assert session.send(FIRST[1:]) == [Result("first\na\\nb", 0)]
        assert len(box.pipes[-1].requests) == 1
    finally:
        box.close()


@pytest.mark.parametrize(
    "content",
    [b"", b"x", bytes(range(256)) * 1000, b"run 5\nexit\n", b"\n\n\0\r\n", "ä'\"$`\\".encode()],
    ids=["empty", "one", "binary", "a request", "breaks", "quotes"],
)
def test_put_writes_exactly_these_bytes(box: LocalBox, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    box.session().send([Request("put", content, str(path))])
    assert path.read_bytes() == content


def test_a_file_that_cannot_be_written_is_named_and_the_shell_lives_on(
    box: LocalBox, tmp_path: Path
) -> None:
    session = box.session()
    path = tmp_path / "nowhere" / "file"
    with pytest.raises(CommandError, match=f"could not write {path}"):
        session.send([Request("put", b"run 4\nboom" * 20000, str(path)), Request.run("echo next")])
    assert session.run("echo still here").output == "still here"


def test_a_script_that_ends_early_leaves_the_rest_of_it_unread(box: LocalBox) -> None:
    session = box.session()
    assert session.run("exit 3\n" + "# padding\n" * 50000).code == 3
    assert session.run("echo still here").output == "still here"


def test_a_script_sees_nothing_of_the_next_request(box: LocalBox) -> None:
    session = box.session()
    results = session.send([Request.run("cat\necho swallowed"), Request.run("echo next")])
    # Whether `cat` gets the script's own rest depends on how far the shell reads ahead.
    assert results[1] == Result("next", 0)


def test_scripts_do_not_share_a_shell(box: LocalBox) -> None:
    session = box.session()
    session.run("x=1; cd /; set -e; trap 'echo bye' EXIT")
    assert session.run('echo "${x-unset}"').output == "unset"


def test_lines_are_reported_as_they_come_and_not_stored(box: LocalBox, tmp_path: Path) -> None:
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
    first.send([Request("lock", holder.encode())])
    with pytest.raises(BusyError) as caught:
        second.send([Request("lock", b"me"), Request.run("echo probe")])
    assert f"locked by {holder};" in caught.value.message
    assert second.run("echo usable").output == "usable"
    box.pipes[0].close()
    second.send([Request("lock", b"me")])
    assert (box.folder / "holder").read_text().splitlines()[0] == "me"


def test_a_job_that_outlives_its_session_is_waited_for(box: LocalBox, tmp_path: Path) -> None:
    stop, begun = tmp_path / "stop", tmp_path / "begun"
    first = box.session()
    job = f"touch {begun}; while [ ! -e {stop} ]; do sleep 0.02; done"
    first.send(
        [
            Request("lock", b"the first"),
            Request.run(
                f"setsid sh -c '{job}' </dev/null >/dev/null 2>&1 &\n"
                f"while [ ! -e {begun} ]; do sleep 0.02; done"
            ),
        ]
    )
    reported: list[str] = []

    def end_the_job(holder: str) -> None:
        reported.append(holder)
        stop.touch()

    with pytest.raises(BusyError, match="the first"):
        box.session(end_the_job).send([Request("lock", b"the second")])
    assert reported == []  # its shell is alive: that run is refused, not waited for
    box.pipes[0].close()
    second = box.session(end_the_job)
    results = second.send([Request("lock", b"the second"), Request.run("echo after it")])
    assert (reported, results[1]) == (["the first"], Result("after it", 0))


def test_a_shell_that_dies_is_a_lost_connection(box: LocalBox) -> None:
    session = box.session()
    with pytest.raises(UnreachableError, match="lost while a script was running"):
        session.run("read -r _ _ _ shell _ </proc/$PPID/stat; kill -9 $shell")


@pytest.mark.parametrize("script", ["yes | head -n 9000", "head -c 9000 /dev/zero"])
def test_an_answer_without_end_is_given_up(
    script: str, box: LocalBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "_LONGEST", 8000)
    with pytest.raises(CommandError, match="the box sent more than 64 MiB for one answer"):
        box.session().run(script)
