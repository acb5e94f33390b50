"""Many probes in one script, run by a real shell."""

from __future__ import annotations

import base64
import subprocess

import pytest

from onecard.errors import ProbeError
from onecard.script import Answer, compose, parse


def run(script: str) -> str:
    done = subprocess.run(
        ["sh"], input=script.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.stdout.decode()


def ask(**probes: str) -> dict[str, Answer]:
    return parse(run(compose(probes)), probes)


@pytest.mark.parametrize(
    ("probe", "answer"),
    [
        ("echo hello", Answer("hello\n")),
        ("printf hello", Answer("hello")),
        ("true", Answer("")),
        ("echo a; echo b >&2", Answer("a\n", 0, "b\n")),
        ("false", Answer("", 1)),
        ("exit 42", Answer("", 42)),
        ("nosuchcommand_x 2>/dev/null", Answer("", 127)),
        ("echo '@onecard other 0 aGk= '", Answer("@onecard other 0 aGk= \n")),
        ("printf '\\377x'", Answer("\ufffdx")),
        ("printf 'a\\r\\n\\n\\tb  '", Answer("a\r\n\n\tb  ")),
        ('echo "it\'s" \'"$HOME"\'', Answer('it\'s "$HOME"\n')),
        ("echo last  # a remark", Answer("last\n")),
        ("cat <<'@end'\n$x\n@end\n", Answer("$x\n")),
        ("cat", Answer("")),
    ],
)
def test_one_probe(probe: str, answer: Answer) -> None:
    assert ask(it=probe) == {"it": answer}


def test_a_probe_cannot_disturb_its_neighbours() -> None:
    answers = ask(
        before="echo 1",
        swallow="cat; read -r x; head -c 100000 >/dev/null",
        changes="cd /; x=5; exec 2>/dev/null; set -e; false",
        leaves="exit 9",
        # Longer than what a shell reads ahead of a script on its standard input.
        after="# padding\n" * 20000 + 'echo "${x-unset}"; pwd >/dev/null',
    )
    assert [answers[name].output for name in ("before", "swallow", "after")] == [
        "1\n",
        "",
        "unset\n",
    ]
    assert (answers["changes"].code, answers["leaves"].code) == (1, 9)


def test_long_output_arrives_whole() -> None:
    answer = ask(long="seq 100000", errors="seq 100000 >&2; exit 3")
    assert len(answer["long"].output.splitlines()) == 100000
    assert answer["errors"].errors.endswith("\n100000\n")
    assert len(answer["errors"].errors) == 2000


def test_it_leaves_no_file_behind(tmp_path) -> None:
    run(f"TMPDIR={tmp_path}; export TMPDIR\n" + compose({"a": "echo x", "b": "exit 1"}))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_answer_is_named() -> None:
    output = run(compose({"first": "echo 1", "second": "kill $$; sleep 5", "third": "echo 3"}))
    with pytest.raises(ProbeError, match="'second': the script ended early"):
        parse(output, ["first", "second", "third"])


@pytest.mark.parametrize(
    "line",
    [
        "@onecard it 0 aGk=",  # a field is missing
        "@onecard it zero aGk= ",
        "@onecard it 0 aG?k= ",
        "@onecard it 0 aGk ",  # cut base64
        "@onecard it 0 aGk=  x",
    ],
)
def test_a_garbled_answer_is_shown(line: str) -> None:
    with pytest.raises(ProbeError, match="garbled answer") as caught:
        parse(line + "\n", ["it"])
    assert "\n" not in caught.value.message


def test_other_lines_between_the_frames_do_no_harm() -> None:
    frame = f"@onecard it 0 {base64.b64encode(b'hi').decode()} "
    assert parse(f"mesg: ttyname failed\n{frame}\r\n".replace("\r", ""), ["it"]) == {
        "it": Answer("hi")
    }
