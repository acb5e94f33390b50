"""The text below a field is read only where help or documentation needs it."""

from __future__ import annotations

import subprocess
import sys

from onecard.settings.connection_keys import ConnectionKeys
from onecard.settings.descriptions import describe
from onecard.settings.option import options
from onecard.settings.settings import Settings


def test_every_setting_has_a_text() -> None:
    assert [each.path for each in options(Settings) if not each.help] == []
    assert [each.path for each in options(ConnectionKeys) if not each.help] == []


def test_the_schema_has_them_in_sections_too() -> None:
    schema = describe(Settings).model_json_schema()
    assert schema["properties"]["serve"]["description"]
    assert (
        "such as 5m"
        in describe(ConnectionKeys).model_json_schema()["properties"]["keep_connection"][
            "description"
        ]
    )


def test_loading_the_settings_reads_no_source() -> None:
    program = "import linecache, onecard.settings.settings; print(len(linecache.cache))"
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
