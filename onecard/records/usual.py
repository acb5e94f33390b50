"""How long the steps of a host took before, from its records."""

from __future__ import annotations

from functools import cached_property
from statistics import median
from typing import Final

from onecard.inventory.host import Host
from onecard.records.read import find_runs

_KINDS: Final = ("provision", "deploy", "scale")  # that record steps
_LAST: Final = 5  # of them count: a box may have been given more memory, or another disk


class Usual:
    """Returns the usual duration of a step of one host, from its runs with the same model.

    The records are read at the first call, so that a run with nothing to do reads none.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    def __call__(self, role: str, resource: str) -> float | None:
        """Return the median of the seconds that the last such steps took; None without one."""
        found = self._steps.get((role, resource), ())
        return median(found[-_LAST:]) if found else None

    @cached_property
    def _steps(self) -> dict[tuple[str, str], list[float]]:
        found: dict[tuple[str, str], list[float]] = {}
        model = self._host.settings.model.source
        for run in find_runs(self._host.name)[0]:
            if run.kind not in _KINDS or run.model_source != model:
                continue
            for step in run.all("step"):
                took = step.get("elapsed_s")
                if step.get("code") == 0 and isinstance(took, (int, float)):
                    key = (str(step.get("role")), str(step.get("resource")))
                    found.setdefault(key, []).append(float(took))
        return found
