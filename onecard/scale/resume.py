"""Which broken-off run a new one goes on with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onecard.host import Host
from onecard.runs import Run, find_runs


def to_resume(host: Host, kind: str, parameters: Mapping[str, Any]) -> Run | None:
    """Return the host's last run of this kind when it was broken off and asked for the same.

    Other settings or parameters are another measurement: its rows would not compare.
    """
    found = [run for run in find_runs(host.name)[0] if run.kind == kind]
    last = found[-1] if found else None
    if last is None or last.status not in ("open", "interrupted"):
        return None
    same = last.begin.get("parameters") == dict(parameters)
    settings = host.settings.model_dump(mode="json", by_alias=True)
    return last if same and last.begin.get("settings") == settings else None
