"""Which starts systemd made by itself, from its messages as journalctl prints them."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.server.start_journal import read_restarts

MESSAGES = Path("tests/unit/fixtures/journal/systemd-restarts.jsonl").read_text()
BY_HAND = "286393cd3d644aa0a947f4dea7edbbda"  # it served, and was stopped
FAILED = "e8759d982bd14bbca0388be0ca567830"  # started by hand
AGAIN = "f670ea2416bf4bb0b2dc39bcce4feda0"  # the first start that systemd made after it
LAST = "de10a59bbf83428c96ce1fcf313908c7"  # the second, stopped in the middle


@pytest.mark.parametrize(
    ("last", "starts"),
    [
        (LAST, [FAILED, AGAIN, LAST]),
        (AGAIN, [FAILED, AGAIN]),
        (FAILED, [FAILED]),
        (BY_HAND, [BY_HAND]),
        ("0" * 32, ["0" * 32]),
    ],
)
def test_the_starts_that_systemd_made_lead_back_to_the_one_by_hand(
    last: str, starts: list[str]
) -> None:
    assert read_restarts(MESSAGES, last) == starts


def test_a_journal_that_is_gone() -> None:
    assert read_restarts("", LAST) == [LAST]
