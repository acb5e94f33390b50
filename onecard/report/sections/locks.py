"""The exact build: the lock file of a host's runs, and the difference between two sides' locks."""

from __future__ import annotations

from onecard.inventory.lock import Lock, moves
from onecard.records import Run
from onecard.report.blocks.blocks import Code, Column, Listing, Table
from onecard.report.evidence.evidence import Evidence


def lock_of(run: Run) -> Lock | None:
    """Return the lock that a run's record holds; None without one that this version can read."""
    try:
        return Lock.model_validate(run.begin.get("lock"))
    except ValueError:
        return None


def newest(evidence: Evidence) -> Lock | None:
    """Return the newest lock of the records."""
    locks = (lock_of(run) for run in reversed(evidence.runs))
    return next((lock for lock in locks if lock is not None), None)


def listing(evidence: Evidence) -> Listing | None:
    """Return the lock as the text of its file, inventory/locks/HOST.yml; None without one."""
    lock = newest(evidence)
    if lock is None:
        return None
    return Listing(
        "lock",
        f"The exact build, {len(lock.packages)} packages: as inventory/locks/{evidence.host}.yml "
        "it makes invoke provision install these and nothing newer.",
        lock.to_plain(),
    )


def moved(a: Evidence, b: Evidence) -> Table | None:
    """Return the packages that differ between the locks; None without any, or without two locks."""
    left, right = newest(a), newest(b)
    if left is None or right is None:
        return None
    rows = tuple(
        (move.name, Code(move.old) if move.old else None, Code(move.new) if move.new else None)
        for move in moves(left, right)
    )
    if not rows:
        return None
    columns = (Column("package", "package"), Column("a", "A"), Column("b", "B"))
    note = f"Of {len(left.packages.keys() | right.packages.keys())} locked packages."
    return Table("lock-table", "What the locks hold otherwise", columns, rows, note)
