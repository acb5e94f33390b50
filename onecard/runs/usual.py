"""How long the steps of a host took before, by its records."""

from __future__ import annotations

from functools import cached_property
from statistics import median
from typing import Final

from onecard.host import Host
from onecard.runs.read import find_runs

_KINDS: Final = ("provision", "deploy", "scale")  # that note steps
_LAST: Final = 5  # of them count: a box may have been given more memory, or another disk


class Usual:
    """Tells it of one host, from its runs with the same model.

    The records are read when first asked, so that a run with nothing to do reads none.
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
            settings = run.begin.get("settings") or {}
            if run.kind not in _KINDS or (settings.get("model") or {}).get("source") != model:
                continue
            for step in run.all("step"):
                took = step.get("elapsed_s")
                if step.get("code") == 0 and isinstance(took, (int, float)):
                    key = (str(step.get("role")), str(step.get("resource")))
                    found.setdefault(key, []).append(float(took))
        return found
