"""Run the fault matrix on a sandbox box of its own, and write docs/reliability.md.

python -m tests.faults [--seed N] [--only TEXT]... [--tries N] [--page FILE] [--untried]

A try's moment is drawn from the seed, the fault, the command and the number of the try: a row that
failed is repeated by the same seed with --only. Needs root on Linux, as every sandbox box does.

A whole run writes the page anew; one with --only or --untried adds to the page's. Where a row or what
it tests has changed, its line is deleted from the page first.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from paramiko import SSHException

from tests.box.conftest import Box, bare_box
from tests.faults.fault import Outcome, attempt
from tests.faults.matrix import FAULTS
from tests.faults.page import Row, read_page, write_page
from tests.faults.scene import Scene
from tests.faults.work import TEARDOWN


def main() -> int:
    """Run every row; return 0 where all is as it has to be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", default="1", help="draws the moments (1)")
    parser.add_argument(
        "--only", action="append", default=[], help="rows whose name has this text, or another"
    )
    parser.add_argument("--tries", type=int, default=0, help="of each row (default: the row's own)")
    parser.add_argument("--page", type=Path, help="where to write the table")
    parser.add_argument("--untried", action="store_true", help="rows that the page lacks")
    options = parser.parse_args()
    wanted = [text for text in options.only if text]
    rows = [Row(fault, work) for fault in FAULTS for work in fault.works]
    chosen = [row for row in rows if not wanted or any(text in row.name for text in wanted)]
    if options.page and (wanted or options.untried):
        read_page(options.page, rows)
    if options.untried:
        chosen = [row for row in chosen if not row.counts()[0]]
    # In each round the short commands first. A box that was torn down is provisioned again: last.
    chosen.sort(key=lambda row: (row.work is TEARDOWN, row.work.seconds))
    try:
        for pod in (False, True):
            if here := [row for row in chosen if row.fault.pod is pod]:
                run_on_a_box(here, options.seed, options.tries, pod=pod)
    except KeyboardInterrupt:
        print("interrupted: the table holds what was tried", flush=True)
    finally:
        if options.page:
            write_page(options.page, rows)
    return int(any(row.trouble for row in chosen))


def run_on_a_box(rows: Sequence[Row], seed: str, tries: int, *, pod: bool) -> None:
    """Boot a box of the rows' kind, and try them on it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        bare_box(Path(folder) / "box", systemd=not pod) as controller,
    ):
        run(Scene(controller, Box(controller)), rows, seed, tries)


def run(scene: Scene, rows: Sequence[Row], seed: str, tries: int) -> None:
    """Try the rows in rounds, so that a run that is broken off has tried them all alike."""
    for number in range(max(tries or row.fault.tries for row in rows)):
        for row in rows:
            if number < (tries or row.fault.tries):
                try_row(scene, row, f"{seed}/{number}")


def try_row(scene: Scene, row: Row, seed: str) -> None:
    """Try a row once; a moment after the command's end is drawn again, five times at most."""
    scene.random = Random(f"{seed}/{row.fault.name}/{row.work.name}")
    started = time.monotonic()
    try:
        outcome = next(filter(None, (attempt(row.fault, row.work, scene) for _ in range(5))), None)
    except (AssertionError, OSError, SSHException) as error:  # the box refused what provokes it
        outcome = Outcome(not_converged=[f"not provoked: {error}"])
    if outcome is None:
        print(f"{row.name}: ended before the fault, five times", flush=True)
        return
    row.outcomes.append(outcome)
    seconds = time.monotonic() - started
    print(f"{row.name}: {'; '.join(outcome.trouble) or 'right'} ({seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
