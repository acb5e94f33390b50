"""The most memory that the server has taken: on the cards, and of its processes."""

from __future__ import annotations

import contextlib
import re
import threading

from onecard.errors import OnecardError
from onecard.measure.process_memory import PEAK, process_script, read_process_gib
from onecard.ssh.login import Connected
from onecard.ssh.shell import Session

# One line for each card, twice a second, until the channel is closed.
_CARDS = (
    "command -v nvidia-smi >/dev/null || exit 0; exec nvidia-smi "
    "--query-gpu=index,memory.used --format=csv,noheader,nounits -lms 500"
)
_CARD = re.compile(r"(\d+), (\d+)")


class CardMemory:
    """Follows nvidia-smi while entered. peak: card -> MiB; empty on a box without a card."""

    def __init__(self, box: Connected) -> None:
        self.peak: dict[int, int] = {}
        self._session = box.another_session()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> CardMemory:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()
        self._thread.join(5.0)

    def _follow(self) -> None:
        with contextlib.suppress(OnecardError):
            self._session.run(_CARDS, on_line=self.line)

    def line(self, text: str) -> None:
        """Take in one line of nvidia-smi's."""
        if found := _CARD.fullmatch(text.strip()):
            card, used = int(found[1]), int(found[2])
            self.peak[card] = max(self.peak.get(card, 0), used)

    @property
    def peak_mib(self) -> list[int]:
        """Return the most that was seen on each card, MiB, in the cards' order."""
        return [self.peak[card] for card in sorted(self.peak)]


def process_peak_gib(session: Session) -> float | None:
    """Return the sum of the processes' high-water marks, GiB; memory they share counts for each.

    None where the box does not say.
    """
    return read_process_gib(session.run(process_script(PEAK)).output, PEAK)
