"""Generated files are what their generator makes of the code as it stands."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import pytest

from onecard.cli.setting_flags import setting_flags
from onecard.errors import UsageError
from onecard.project import PROJECT
from onecard.reference.files import generated
from onecard.reference.overview import END, overview
from onecard.server.command_line import words
from onecard.settings.option import VllmFlag, options
from onecard.settings.serve_settings import ServeSettings
from onecard.settings.settings import Settings


@pytest.mark.parametrize("name", generated())
def test_a_generated_file_is_as_its_generator_makes_it(name: str) -> None:
    written = (PROJECT / name).read_text(encoding="utf-8")
    assert written == generated()[name], f"{name} is out of date; run: make docs"


def test_settings_below_the_overview_stay_and_one_inside_is_refused() -> None:
    own = "serve:\n  ctx: 8192\n"
    assert overview(overview("") + own).endswith(END + own)
    with pytest.raises(UsageError, match=r"all\.yml: line 2 sets something inside the overview"):
        overview(f"# serve:\n{own}")


def test_every_setting_has_a_help_text() -> None:
    assert [option.path for option in options(Settings) if not option.help] == []


def test_a_new_option_is_one_field() -> None:
    class More(ServeSettings):
        block_size: Annotated[int | None, VllmFlag("--block-size")] = None
        """tokens in a block of the KV cache"""
        trust: Annotated[bool | None, VllmFlag("--trust")] = None
        """run the model's own code"""

    given = words(More(block_size=32, trust=False), "")
    assert given == ("--block-size", "32", "--no-trust")
    assert words(More(), "") == ()
    size, trust = options(More)[-2:]
    assert (size.help, size.is_switch) == ("tokens in a block of the KV cache", False)
    assert (trust.help, trust.is_switch) == ("run the model's own code", True)


def test_help_shows_a_flag_for_each_setting() -> None:
    command = [sys.executable, "-m", "invoke", "--help", "deploy"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    shown = " ".join(done.stdout.split())
    for name, setting in setting_flags().items():
        flag = name.replace("_", "-")
        form = f"--[no-]{flag}" if setting.is_switch else f"--{flag}=STRING"
        assert f"{form} {setting.help}" in shown
    assert "(one of auto, bfloat16, fp8" in shown
