"""`provision --timings`: where the time of a run went, a line for each stage, in milliseconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from onecard.engine.host_report import HostReport
from onecard.engine.timings import Stage

_LEAST_SHOWN = 0.0005  # s


def print_timings(reports: Sequence[HostReport]) -> None:
    """Print each host's stages: when each began, and how long it took."""
    for report in reports:
        print(f"{report.host}: began and took, ms")
        for stage in report.timings.stages:
            for line in _lines(stage):
                print(line)


def _lines(stage: Stage) -> Iterator[str]:
    yield f"  {stage.began * 1000:7.0f} {stage.seconds * 1000:7.0f}  {stage.name}"
    for name, seconds in sorted(stage.on_box.items(), key=lambda each: -each[1]):
        if seconds > _LEAST_SHOWN:
            yield f"          {seconds * 1000:7.0f}    on the box: {name}"
