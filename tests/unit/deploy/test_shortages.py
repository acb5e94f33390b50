"""What deploy says of a box that has less than the server's processes need."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from onecard.console.host_console import HostConsole
from onecard.console.terminal import Terminal
from onecard.deploy.deployment import warn_of_code, warn_of_shortages
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


@pytest.mark.parametrize(
    ("words", "warned"),
    [
        ([], False),
        (["--seed", "0"], False),
        (["--trust-remote-code"], True),
        (["--trust_remote"], True),
    ],
)
def test_code_of_the_models_repository_is_a_warning(words: list[str], warned: bool) -> None:
    out = io.StringIO()
    settings = Settings.model_validate({"serve": {"extra_args": words}})
    warn_of_code(settings, HostConsole(Terminal(file=out, width=400), "box"))
    assert ("warning: code in the model's repository will run (--trust" in out.getvalue()) == warned
