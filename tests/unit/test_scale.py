"""Context scaling: what fit says, what is gone on with, what the table tells apart."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from onecard.cli import numbers
from onecard.commands.scale import good
from onecard.connect import Connected
from onecard.errors import UsageError
from onecard.facts import Facts, Memory
from onecard.host import Connection, Host
from onecard.host_fit import BoxModel
from onecard.runs import recorded
from onecard.scale.fit import verdict
from onecard.scale.long_request import long_request
from onecard.scale.memory import CardMemory, read_high_water
from onecard.scale.resume import to_resume
from onecard.scale.table import render, trouble
from onecard.settings import Settings
from onecard.smoke.cases import Case
from onecard.smoke.client import Client
from tests.support.replay_server import Capture, ReplayServer, Request, capture

TINY = Path(__file__).parents[2] / "onecard/data/tiny-vqa/config.json"
SMALL = Host(
    "box1",
    Connection("192.0.2.1"),
    Settings.model_validate(
        {"accelerator": "cpu", "serve": {"kv_cache_gib": 0.25, "enforce_eager": True}}
    ),
)
BOX = Facts(memory=Memory(total_gib=24.0))


@pytest.mark.parametrize(
    ("ctx", "fits", "reason"),
    [
        (4096, True, ""),
        (262144, True, ""),
        (262145, False, "takes no more than 262,144 tokens"),
    ],
)
def test_fit_says_what_the_small_model_takes(ctx: int, fits: bool, reason: str) -> None:
    said = verdict(SMALL, BOX, BoxModel("0.32.0", json.loads(TINY.read_text())), ctx)
    assert said.fits is fits
    assert reason in said.reason
    assert "--force" not in said.reason


def test_what_is_not_known_is_not_refused() -> None:
    unknown = Settings.model_validate({"accelerator": "cpu", "model": {"source": "nobody/nothing"}})
    said = verdict(replace(SMALL, settings=unknown), BOX, BoxModel("", None), 4096)
    assert said.fits is None


def test_a_broken_off_run_is_gone_on_with_when_it_asked_for_the_same(tmp_path: Path) -> None:
    wanted = {"contexts": [4096, 65536], "try_all": False}
    assert to_resume(SMALL, "scale", wanted) is None
    with pytest.raises(KeyboardInterrupt), recorded("scale", SMALL, wanted) as record:
        record.add("row", ctx=4096)
        raise KeyboardInterrupt
    with recorded("smoke", SMALL):
        pass
    found = to_resume(SMALL, "scale", wanted)
    assert found is not None
    assert [row["ctx"] for row in found.all("row")] == [4096]
    assert to_resume(SMALL, "scale", {**wanted, "try_all": True}) is None
    assert to_resume(replace(SMALL, settings=Settings()), "scale", wanted) is None
    assert to_resume(replace(SMALL, name="box2"), "scale", wanted) is None
    with recorded("scale", SMALL, wanted, resume=found.path):
        pass
    assert to_resume(SMALL, "scale", wanted) is None


def row(**values: Any) -> dict[str, Any]:
    return {
        "ctx": 65536,
        "configured": "yes",
        "reason": "",
        "answered_s": 21.9,
        "kv_tokens": 518215,
        "kv_concurrency": 7.91,
        "steady_p50_s": 0.034,
        "smoke_passed": 12,
        "smoke_cases": 12,
        "smoke_ok": True,
        "long_request": {"answered": True, "prompt_tokens": 62254, "latency_s": 6.77, "error": ""},
        **values,
    }


SILENT = {"answered": False, "prompt_tokens": None, "latency_s": None, "error": "no answer in time"}


def test_configured_and_answered_are_two_columns() -> None:
    rows = [
        row(),
        row(ctx=131072, long_request=SILENT),
        {"ctx": 262144, "configured": "no", "reason": "no memory"},
        {"ctx": 400000, "configured": "refused", "reason": "no more than 262,144"},
    ]
    console = Console(file=io.StringIO(), width=80)
    render(rows, console)
    shown = console.file.getvalue()
    lines = shown.splitlines()
    assert "62,254 in 6.77 s" in lines[2]
    assert "yes" in lines[3]
    assert "none" in lines[3]
    assert "131,072: no answer in time" in shown
    assert "262,144: no memory" in shown
    assert "…" not in shown
    assert [good(each) for each in rows] == [True, False, False, False]
    assert trouble(rows[0]) == ""


def test_a_process_says_its_own_peak() -> None:
    assert read_high_water("VmHWM:\t 1048576 kB\nVmHWM:\t  524288 kB\n") == 1.5
    assert read_high_water("") is None


def test_the_most_that_a_card_held_is_kept() -> None:
    """The lines are those of nvidia-smi 580.159.04 on an H200."""
    cards = CardMemory(cast(Connected, SimpleNamespace(another_session=lambda: None)))
    for line in ("0, 0", "0, 74210", "1, 5", "0, 73000", "", "No devices were found", "1, [N/A]"):
        cards.line(line)
    assert cards.peak_mib == [74210, 5]


def test_contexts_are_numbers() -> None:
    assert numbers("--ctx", "4096, 65536,4096") == (4096, 65536)
    for wrong in ("", "4096,", "64k", "0"):
        with pytest.raises(UsageError, match="--ctx"):
            numbers("--ctx", wrong)


def test_a_long_request_that_is_refused_is_a_result() -> None:
    case = Case(name="a", question="What color is it?", expect=("red",))

    def respond(request: Request) -> Capture:
        if request.path == "/tokenize":
            count = len(request.body["prompt"].split())
            return Capture(200, b'{"count": %d}' % count)
        parts = request.body["messages"][0]["content"]
        return capture("image_stream" if len(parts) == 1 else "too_long_text")

    with ReplayServer(respond) as server, Client(server.url, "tiny") as client:
        asked = long_request(client, case, 4096)
    assert not asked.answered
    assert asked.aimed_tokens == 3891
    assert "maximum context length is 4096" in asked.error
