"""What goes with the login: it loads nothing that only the answers need."""

from __future__ import annotations

from collections.abc import Iterable

from onecard.facts.probes import PROBES
from onecard.ssh.probe_batch import compose
from onecard.ssh.shell import Request


def first_requests(holder: str | None, expected: Iterable[str]) -> tuple[Request, ...]:
    """Return what reads the facts, and takes the lock unless `holder` is None.

    holder: who we are, shown to a run that finds the box locked. expected: the shell text of
    probes that are sent with those of the facts.
    """
    lock = () if holder is None else (Request("lock", holder.encode()),)
    return (*lock, Request.run(compose(with_facts(expected))))


def with_facts(expected: Iterable[str]) -> dict[str, str]:
    """Return the expected probes and those of the facts, name -> shell text."""
    # The expected ones first: among them is the longest, of an environment's files.
    return {**{text: text for text in expected}, **PROBES}
