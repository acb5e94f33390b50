"""The settings that are flags of `invoke deploy`, from the file that `make docs` writes.

tasks.py needs them for `invoke --list` too, where the settings' own modules would take longer than
all else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("deploy_flags.json")


@dataclass(frozen=True)
class SettingFlag:
    """A flag's setting: its path, its help text with the allowed values, its kind."""

    path: str
    help: str
    is_switch: bool = False
    is_list: bool = False


@cache
def setting_flags() -> Mapping[str, SettingFlag]:
    """Return parameter of the task -> the setting that it stands for."""
    known = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: SettingFlag(**values) for name, values in known.items()}
