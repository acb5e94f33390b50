"""Which interrupted run a new one resumes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onecard.inventory.host import Host
from onecard.records import Run, find_runs
from onecard.records.record import settings_of
from onecard.records.write import is_being_written, plain


def to_resume(host: Host, parameters: Mapping[str, Any]) -> Run | None:
    """Return the host's last scale run that measured the same, where contexts of it are missing.

    However it ended: Ctrl-C, a lost connection, a killed process. Other settings, another lock or
    other parameters are another measurement: its rows would not compare. A run without a row has
    nothing to go on from, and one that still runs is not resumed.
    """
    wanted = plain({"parameters": parameters, **settings_of(host)})
    same = [
        run
        for run in find_runs(host.name)[0]
        if run.kind == "scale"
        and run.all("row")
        and {key: run.begin[key] for key in ("parameters", "settings", "lock") if key in run.begin}
        == wanted
    ]
    if not same:
        return None
    last = same[-1]
    measured = {row.get("ctx") for row in last.all("row")}
    if measured.issuperset(parameters["contexts"]) or is_being_written(last.path):
        return None
    return last
