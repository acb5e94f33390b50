"""Many probes in one script, run by a real shell."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from onecard.errors import ProbeError
from onecard.ssh.probe_batch import Answer, compose, parse


def run(script: str) -> str:
    done = subprocess.run(
        ["sh"], input=script.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.stdout.decode()


def frame(text: str) -> str:
    return f"@onecard {base64.b64encode(text.encode()).decode()}"


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


def test_it_leaves_no_file_behind() -> None:
    folder = Path(ask(a='echo "$_d"; ls "$_d" >/dev/null', b="exit 1")["a"].output.strip())
    assert folder.name
    assert not folder.exists()


def test_two_slow_probes_run_side_by_side_and_their_times_are_known() -> None:
    started = time.monotonic()
    answers = ask(slow="sleep 0.5", slower="sleep 0.6", quick="true")
    assert time.monotonic() - started < 1.05
    assert answers["slow"].seconds == pytest.approx(0.5, abs=0.09)
    assert answers["slower"].seconds == pytest.approx(0.6, abs=0.09)


def test_the_frames_cost_six_processes_however_many_the_probes_are(tmp_path: Path) -> None:
    """Each program is counted by a wrapper; a probe of builtins starts none."""
    log = tmp_path / "log"
    for program in ("mktemp", "stat", "cat", "tail", "base64", "tr", "rm", "wc", "head"):
        real = shutil.which(program)
        wrapper = tmp_path / program
        wrapper.write_text(f'#!/bin/sh\necho {program} >>{log}\nexec {real} "$@"\n')
        wrapper.chmod(0o755)
    probes = {f"it{number}": "echo x" for number in range(40)}
    parse(run(f"PATH={tmp_path}:$PATH\n{compose(probes)}"), probes)
    started = sorted(log.read_text().split())
    assert started == ["base64", "cat", "mktemp", "rm", "stat", "tail"]


def test_a_look_succeeds_where_no_file_can_be_made_in_tmp(tmp_path) -> None:
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("this computer has no files in memory")
    answers = parse(run(f"export TMPDIR={tmp_path}/none\n" + compose({"a": "echo x"})), ["a"])
    assert answers["a"] == Answer("x\n")


def test_a_script_that_ends_early_is_no_answer() -> None:
    output = run(compose({"first": "echo 1", "second": "kill $$; sleep 1", "third": "echo 3"}))
    with pytest.raises(ProbeError, match=r"no answer from the box to the probes: .* ended early"):
        parse(output, ["first", "second", "third"])


def test_a_missing_answer_is_named() -> None:
    """As when the kernel ends a lane for its memory: the other lane goes on."""
    names = ("0.c 1", "0.e 0", "0.o 0", "0.s 0", "1.e 0", "1.o 0", "1.s 0")
    listing = "".join(f"{name} 2026-11-29 16:50:33.123456789 +0000\n" for name in names)
    assert parse(frame(f"{listing}\n0"), ["first"]) == {"first": Answer("")}
    with pytest.raises(ProbeError, match="'second': it ended early"):
        parse(frame(f"{listing}\n0"), ["first", "second"])


@pytest.mark.parametrize(
    "line",
    [
        "@onecard aG?k=",
        "@onecard aGk",  # cut base64
        "@onecard aGk= x",
        frame("0.c 1 2026-11-29 16:50:33.1 +0000\n\n"),  # cut before the contents
        frame("0.c 1 2026-11-29 16:50:33.1 +0000\n\n0more"),
        frame("0.c 1\n\n0"),
    ],
)
def test_a_garbled_answer_is_shown(line: str) -> None:
    with pytest.raises(ProbeError, match="garbled answer") as caught:
        parse(line + "\n", ["it"])
    assert "\n" not in caught.value.message


def test_other_lines_around_the_frame_do_no_harm() -> None:
    output = run(compose({"it": "printf hi"}))
    assert parse(f"mesg: ttyname failed\n{output}bye\n", ["it"]) == {"it": Answer("hi")}
