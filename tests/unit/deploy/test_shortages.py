"""What deploy says of a box that has less than the server's processes need."""

from __future__ import annotations

import io

from rich.console import Console

from onecard.console.host_console import HostConsole
from onecard.deploy.deployment import warn_of_shortages
from onecard.settings.settings import Settings
from tests.support.facts_support import box
from tests.support.pods import pod


def test_a_small_dev_shm_is_a_warning_before_the_start() -> None:
    out = io.StringIO()
    console = HostConsole(Console(file=out, width=400), "pod1")
    settings = Settings.model_validate({"serve": {"tensor_parallel": 2}})
    warn_of_shortages(pod("vast-4090x2"), settings, console)
    (line,) = out.getvalue().splitlines()
    assert line.startswith(
        "pod1  warning: /dev/shm has 0.06 GiB, a server on several cards needs 1;"
    )
    assert "--shm-size=8g" in line
    assert "NCCL_SHM_DISABLE" in line
    warn_of_shortages(pod("runpod-a100"), Settings(), console)
    warn_of_shortages(box(), Settings(), console)
    assert len(out.getvalue().splitlines()) == 1
