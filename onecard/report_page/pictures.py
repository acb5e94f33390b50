"""The pictures that records name, as data URLs. The one module of the report that reads files."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path

from onecard.runs import Run
from onecard.runs.folder import PICTURES
from onecard.smoke.cases import MEDIA_TYPES


def data_urls(runs: Iterable[Run], folder: Path) -> Mapping[str, str]:
    """Return name in the records -> data URL, for the cases' pictures that are still there.

    folder: the folder of the runs; a name that leads out of its pictures is not followed.
    """
    names = {
        str((case.get("picture") or {}).get("file", "")) for run in runs for case in run.all("case")
    }
    urls = {}
    for name in names - {""}:
        path = (folder / name).resolve()
        kind = MEDIA_TYPES.get(path.suffix.lower())
        if kind and path.parent == (folder / PICTURES).resolve() and path.is_file():
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            urls[name] = f"data:{kind};base64,{data}"
    return urls
