"""The table of `invoke settings`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from onecard.console.whole_table import print_whole
from onecard.inventory.origins import SettingValue


def print_settings(host: str, rows: Sequence[SettingValue], output: Console) -> None:
    """Print a host's settings: value, default where it is another, and where it is set."""
    table = Table(escape(host), "value", "default", "set in", box=None, padding=(0, 2, 0, 0))
    for row in rows:
        value = "(from the vault)" if row.hidden else _shown(row.value)
        default = "" if row.value == row.default else _shown(row.default)
        place = str(row.origin) if row.origin else "default"
        table.add_row(*map(Text, (row.path, value, default, place)))
    print_whole(table, output)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
