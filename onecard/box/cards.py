"""How much memory of the cards is in use."""

from __future__ import annotations

import shutil
import subprocess


class CardWatch:
    """The most memory seen in use on each card, in MiB."""

    def __init__(self) -> None:
        self._program = shutil.which("nvidia-smi")
        self._peaks: dict[int, tuple[int, int]] = {}

    def look(self) -> None:
        """Take one sample; a card that cannot be asked has none."""
        if self._program is None:
            return
        query = "--query-gpu=index,memory.used,memory.total"
        done = subprocess.run(
            [self._program, query, "--format=csv,noheader,nounits"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        for line in done.stdout.splitlines():
            cells = [cell.strip() for cell in line.split(",")]
            if len(cells) == 3 and all(cell.isdigit() for cell in cells):
                index, used, total = map(int, cells)
                before = self._peaks.get(index, (0, 0))[0]
                self._peaks[index] = (max(used, before), total)

    def peaks(self) -> list[dict[str, int]]:
        """Return {index, used_mib, total_mib} for each card."""
        return [
            {"index": index, "used_mib": used, "total_mib": total}
            for index, (used, total) in sorted(self._peaks.items())
        ]
