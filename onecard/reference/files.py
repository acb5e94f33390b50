"""The generated files, each with its generator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from onecard.project import PROJECT
from onecard.reference.deploy_flags import deploy_flags
from onecard.reference.documents_page import documents_page
from onecard.reference.documents_schema import documents_schema
from onecard.reference.overview import overview
from onecard.reference.scoreboard_page import scoreboard_page
from onecard.reference.settings_page import settings_page
from onecard.reference.troubleshooting import troubleshooting_page
from onecard.settings.descriptions import describe
from onecard.settings.settings import Settings

OVERVIEW: Final = "inventory/group_vars/all.yml"


def generated() -> Mapping[str, str]:
    """Return each generated file, relative to the project, and the text that belongs in it."""
    return {
        OVERVIEW: overview((PROJECT / OVERVIEW).read_text(encoding="utf-8")),
        "onecard/cli/deploy_flags.json": _json(deploy_flags()),
        "docs/settings.md": settings_page(),
        "docs/settings.schema.json": _json(describe(Settings).model_json_schema()),
        "docs/documents.md": documents_page(),
        "docs/documents.schema.json": _json(documents_schema()),
        "docs/fit-scoreboard.md": scoreboard_page(),
        "docs/troubleshooting.md": troubleshooting_page(),
    }


def _json(schema: object) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
