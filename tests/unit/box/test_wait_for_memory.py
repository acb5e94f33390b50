"""The wait before a GPU server's start, with an nvidia-smi that prints what the test sets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import onecard

SCRIPT = Path(onecard.__file__).parent / "box" / "wait-for-memory.sh"
# Of two cards the second is taken; -i picks one. The first is free from the second look on.
CARDS = """#!/bin/sh
echo "$*" >>{calls}
case "$*" in *compute-apps*) echo "4242, other, 70000"; exit ;; esac
free=$([ $(wc -l <{calls}) -gt {busy} ] && echo 81000 || echo 1000)
case "$*" in *"-i 1 "*) ;; *) echo "0, $free, 81920" ;; esac
case "$*" in *"-i 0 "*) ;; *) echo "1, 500, 81920" ;; esac
"""


def wait(folder: Path, *words: str, busy: int = 0) -> str:
    program = folder / "nvidia-smi"
    program.write_text(CARDS.format(calls=folder / "calls", busy=busy))
    program.chmod(0o755)
    done = subprocess.run(
        ["sh", SCRIPT, *words],
        env={"PATH": f"{folder}:/usr/bin:/bin"},
        capture_output=True, text=True, timeout=20, check=True,
    )  # fmt: skip
    return done.stdout


def test_a_card_that_the_server_does_not_use_is_not_waited_for(tmp_path: Path) -> None:
    assert wait(tmp_path, "0.9", "0") == ""


def test_it_goes_on_when_the_memory_is_there(tmp_path: Path) -> None:
    message = wait(tmp_path, "0.9", "0", busy=1)
    assert message == "onecard: GPU 0 has 1000 of 81920 MiB free; waiting for 0.9 of it\n"


@pytest.mark.parametrize("cards", [("1",), ("0,1",)], ids=str)
def test_it_ends_in_the_end_and_names_who_holds_the_card(
    tmp_path: Path, cards: tuple[str, ...]
) -> None:
    message = wait(tmp_path, "0.9", *cards, "0")
    assert "GPU 1 has 500 of 81920 MiB free; going on all the same" in message
    assert "4242, other, 70000" in message


def test_without_a_driver_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    done = subprocess.run(["/bin/sh", SCRIPT, "0.9", "0"], env={"PATH": str(tmp_path)}, timeout=20)
    assert done.returncode == 0
