"""Progress of a download, as lines that the controller parses."""

from __future__ import annotations

import threading
import time
from collections import deque

_GIB = 2**30


class DownloadProgress:
    """Prints the progress: bytes, rate over the last seconds, time left."""

    _WINDOW = 10.0  # s

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done = total, done
        self._lock = threading.Lock()
        self._samples: deque[tuple[float, int]] = deque([(time.monotonic(), done)])

    def add(self, count: int) -> None:
        """Count bytes; negative when a file is downloaded again."""
        with self._lock:
            self.done += count

    def print_line(self) -> None:
        """Print one line."""
        now = time.monotonic()
        self._samples.append((now, self.done))
        while now - self._samples[0][0] > self._WINDOW:
            self._samples.popleft()
        began, before = self._samples[0]
        rate = max(self.done - before, 0) / max(now - began, 0.001)
        text = f"{size_text(self.done)} of {size_text(self.total)}, {size_text(int(rate))}/s"
        if rate > 0 and self.done < self.total:
            text += f", {_duration((self.total - self.done) / rate)} left"
        print(f"@onecard-progress {self.done / max(self.total, 1):.4f} {text}", flush=True)


def size_text(count: int) -> str:
    """Return a number of bytes as text, such as `5.7 MiB`."""
    for unit, size in (("GiB", _GIB), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
