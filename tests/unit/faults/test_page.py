"""docs/reliability.md as the ledger of all tries: what a page holds is read back, and added to."""

from __future__ import annotations

from pathlib import Path

from tests.faults.fault import Fault, Outcome
from tests.faults.page import Row, read_page, write_page
from tests.faults.work import DEPLOY, ROTATE

CUT = Fault("connection cut", (DEPLOY, ROTATE), says="cut")
KILLED = Fault("controller killed (-9)", (DEPLOY,))


def rows() -> list[Row]:
    return [Row(CUT, DEPLOY), Row(CUT, ROTATE), Row(KILLED, DEPLOY)]


def test_a_later_run_adds_its_tries(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    cut, _, killed = first = rows()
    cut.outcomes += [Outcome(), Outcome(lost=["a release"], wrong_messages=["exit code 1"])]
    killed.outcomes += [Outcome()]
    write_page(path, first)

    cut, rotation, killed = second = rows()
    read_page(path, second)
    rotation.outcomes += [Outcome()]
    killed.outcomes += [Outcome(not_converged=["changes are pending"])]
    write_page(path, second)

    page = path.read_text()
    assert "| connection cut | deploy | 2 | 2 | 1 | 0 | 0 | 1 |" in page
    assert "| connection cut | secret rotate | 1 | 1 | 0 | 0 | 0 | 1 |" in page
    assert "| controller killed (-9) | deploy | 2 | 1 | 0 | 0 | 0 | – |" in page
    assert "of 5 faults: 1 not converged, 1 lost, 0 doubled, 0 tracebacks, 1 wrong mess" in page
    assert "Not tried yet" not in page


def test_a_row_whose_line_was_deleted_is_not_tried_yet(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    tried = rows()
    for row in tried:
        row.outcomes.append(Outcome())
    write_page(path, tried)
    path.write_text(path.read_text().replace("| connection cut | deploy |", "| no longer | it |"))

    left = rows()
    read_page(path, left)
    write_page(path, left)

    assert "\nNot tried yet: connection cut, deploy.\n" in path.read_text()
