"""Memory in use on the cards, sampled with nvidia-smi."""

from __future__ import annotations

import shutil
import subprocess

LONGEST_S = 20.0  # timeout of nvidia-smi


class CardWatch:
    """The peak memory in use on each card, in MiB."""

    def __init__(self) -> None:
        self._program = shutil.which("nvidia-smi")
        self._peaks: dict[int, tuple[int, int]] = {}

    def sample(self) -> None:
        """Take one sample; a card that does not answer is left out."""
        for line in self._query().splitlines():
            cells = [cell.strip() for cell in line.split(",")]
            if len(cells) == 3 and all(cell.isdigit() for cell in cells):
                index, used, total = map(int, cells)
                before = self._peaks.get(index, (0, 0))[0]
                self._peaks[index] = (max(used, before), total)

    def _query(self) -> str:
        if self._program is None:
            return ""
        query = "--query-gpu=index,memory.used,memory.total"
        process = subprocess.Popen(
            [self._program, query, "--format=csv,noheader,nounits"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            return process.communicate(timeout=LONGEST_S)[0]
        except subprocess.TimeoutExpired:
            # A card that fell off the bus hangs it so that no signal ends it: do not wait for
            # it, and do not query again.
            process.kill()
            self._program = None
            return ""

    def peaks(self) -> list[dict[str, int]]:
        """Return {index, used_mib, total_mib} for each card."""
        return [
            {"index": index, "used_mib": used, "total_mib": total}
            for index, (used, total) in sorted(self._peaks.items())
        ]
