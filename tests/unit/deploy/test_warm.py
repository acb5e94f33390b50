"""Which boxes are warmed, and what is said of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from onecard.deploy.startup_check import StartupCheck
from onecard.deploy.warm import WarmUp, reason_to_skip
from onecard.server.state import ServiceState
from onecard.settings.settings import Settings

LOG = Path(__file__).parents[1] / "fixtures" / "logs" / "h200-0.25.1-ctx65536-ok.log"


def state(active: str, *, loaded: bool = True) -> ServiceState:
    return ServiceState(loaded, active, "success", "", 0, "", {})


@pytest.mark.parametrize(
    ("active", "loaded", "settings", "reason"),
    [
        ("active", True, {}, "a server runs already (active)"),
        ("activating", True, {}, "a server runs already (activating)"),
        ("inactive", True, {}, ""),
        ("failed", True, {}, ""),
        ("inactive", False, {}, ""),
        ("inactive", False, {"serve": {"enforce_eager": True}}, ""),  # kernels are still compiled
        ("inactive", False, {"accelerator": "cpu"}, ""),
        (
            "inactive",
            False,
            {"accelerator": "cpu", "serve": {"enforce_eager": True}},
            "on a CPU with enforce_eager a start compiles nothing",
        ),
    ],
)
def test_what_is_warmed(active: str, loaded: bool, settings: dict[str, Any], reason: str) -> None:
    given = Settings.model_validate(settings)
    assert reason_to_skip(state(active, loaded=loaded), given) == reason


def test_one_line_says_what_it_did_and_how_long_it_took() -> None:
    check = StartupCheck(lambda event: None, lambda number: None)
    for line in LOG.open(encoding="utf-8", newline="\n"):
        check.first.tracker.feed(line)
    check.first.release, check.first.seconds = 3, 220.4
    done = cast("Any", SimpleNamespace(check=check, error=None))
    found = WarmUp(done=done)
    assert found.error == ""
    assert found.line == (
        "warmed: release 3 answered after 220.4 s, 177.0 s of them compile and profiling, and was "
        "stopped; the next start finds what it compiled"
    )
    skipped = WarmUp("a server runs already (active)")
    assert skipped.line == "not warmed: a server runs already (active)"
