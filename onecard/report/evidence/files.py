"""The files that the report reads beside the records: pictures, and the model's shape.

The one module of the report that reads files.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path

from onecard.errors import OnecardError
from onecard.fit import ModelShape, find_model, parse_config
from onecard.json_text import parse_json
from onecard.project import own_path
from onecard.records import Run
from onecard.records.folder import PICTURES
from onecard.smoke.case import MEDIA_TYPES


def data_urls(runs: Iterable[Run], folder: Path) -> Mapping[str, str]:
    """Return name in the records -> data URL, for the cases' pictures that still exist.

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


def model_shape(runs: Iterable[Run]) -> ModelShape | None:
    """Return the shape of the newest run's model: from the catalogue, or from its folder here.

    None where neither has it, or fit does not support it.
    """
    sources = [run.model_source for run in runs if run.model_source]
    source = sources[-1] if sources else ""
    try:
        if not source.startswith(("./", "/")):
            return find_model(source).shape
        config = (own_path(source) / "config.json").read_text(encoding="utf-8")
        return parse_config(parse_json(config))
    except (OnecardError, OSError, ValueError):
        return None
