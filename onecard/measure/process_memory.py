"""Memory of the server's processes on the box, as the kernel counts it."""

from __future__ import annotations

import re
from typing import Final

from onecard.box import paths

RESIDENT: Final = "VmRSS"
PEAK: Final = "VmHWM"  # a process's own high-water mark: nothing is missed between two looks


def process_script(field: str) -> str:
    """Return the script that prints RESIDENT or PEAK of each process, a line each."""
    return (
        f"for pid in $(services processes {paths.UNIT}); do "
        f"grep {field} /proc/$pid/status; done; true"
    )


def read_process_gib(text: str, field: str) -> float | None:
    """Return the sum of lines such as `VmHWM:   812345 kB`, GiB; None where there is none.

    Memory that processes share counts for each.
    """
    found = [int(each) for each in re.findall(rf"{field}:\s+(\d+) kB", text)]
    return sum(found) / 2**20 if found else None
