"""No text of a box steers a terminal, whichever way it is printed."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from contextlib import nullcontext

import pytest
from rich.table import Table
from rich.text import Text

from onecard.cli.task import print_rows, task_body
from onecard.console.host_console import HostConsole
from onecard.console.terminal import Terminal
from onecard.console.visible_text import visible
from onecard.errors import CommandError
from onecard.project import PROJECT

PLANTED = {
    "colour \x1b[31mred\x1b[0m": "colour red",
    "title \x1b]0;owned\x07 set": "title  set",
    "link \x1b]8;;http://example.org\x1b\\here\x1b]8;;\x1b\\": "link here",
    "cut short \x1b[": "cut short [",
    "8-bit \x9b2J": "8-bit 2J",
    "overwritten\rok": "overwrittenok",
    "back\b\b\b\bdone": "backdone",
    "reversed \u202etxt.exe": "reversed txt.exe",
    "\x1bcreset \x00\x7f": "creset ",
    "two lines\n\tand a tab: ä語": "two lines\n\tand a tab: ä語",
}
ALL = "".join(PLANTED)
SEEN = "".join(PLANTED.values())
STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.mark.parametrize("text", PLANTED)
def test_what_a_terminal_obeys_is_left_out(text: str) -> None:
    assert visible(text) == PLANTED[text]


def _print() -> int:
    print(ALL)
    print_rows([("line", ALL)])
    return 0


def _fail() -> int:
    raise CommandError(f"box: {ALL}", f"{ALL}\n{ALL}")


def _break() -> int:
    raise ZeroDivisionError(ALL)


def _rich() -> int:
    table = Table("a")
    table.add_row(ALL)
    terminal = Terminal()
    terminal.print(table)
    terminal.print(Text(ALL), style="red")
    terminal.print(ALL, markup=False)
    HostConsole(terminal, "box").say(ALL)
    return 0


@pytest.mark.parametrize("body", [_print, _fail, _break, _rich])
def test_no_task_prints_it(body: Callable[[], int], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BaseException) if body in (_fail, _break) else nullcontext():
        task_body(body)()
    out, errors = capsys.readouterr()
    assert "owned" not in out + errors
    assert "colour red" in out + errors
    assert not STEERS.search(out + errors)


def test_a_terminal_still_gets_colours_and_a_live_line() -> None:
    shown = io.StringIO()
    terminal = Terminal(file=shown, force_terminal=True, width=60)
    console = HostConsole(terminal, "box")
    with console.working(f"waits {ALL}"):
        console.say(ALL, "red")
    sequences = set(re.findall(r"\x1b\[[?\d;]*([A-Za-z])", shown.getvalue()))
    assert {"m", "K", "l", "h"} <= sequences  # colours, a line cleared, the cursor hidden and shown
    assert "\x1b]0" not in shown.getvalue()
    assert "\u202e" not in shown.getvalue()


def test_every_console_is_a_terminal() -> None:
    made = re.compile(r"(^|[ =(])Console\((highlight|file|\))", re.M)
    files = [path for folder in ("onecard", "roles") for path in (PROJECT / folder).rglob("*.py")]
    assert len(files) > 100
    assert [path for path in files if made.search(path.read_text(encoding="utf-8"))] == []
