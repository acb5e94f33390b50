"""The smoke run: what passes, what fails, and what the reader sees."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console

from onecard.api.client import Client
from onecard.api.failures import NoAnswerError
from onecard.api.stream import Reply
from onecard.errors import UnhealthyError
from onecard.smoke import questions
from onecard.smoke.case import Case, CaseFile, load_cases
from onecard.smoke.progress import CountingClient, smoke_steps
from onecard.smoke.report import PictureControl
from onecard.smoke.smoke_run import run_smoke
from onecard.smoke.smoke_table import duration, print_smoke, printable
from onecard.statistics.percentile import percentile
from tests.support.blind_proxy import BlindProxy
from tests.support.replay_server import Capture, ReplayServer, capture

SHAPES = load_cases(questions.FOLDER / "shapes.yml")


class Answerer:
    """A model that answers by a function of the case and of whether it sees the picture."""

    model = "tiny-vqa"

    def __init__(self, answer: Callable[[Case, bool], str], picture_tokens: int = 18) -> None:
        self.asked = 0
        self._answer, self._picture_tokens = answer, picture_tokens

    def send_case(self, case: Case, *, picture: bool = True) -> Reply:
        self.asked += 1
        text = self._answer(case, picture)
        prompt = 22 + self._picture_tokens * picture
        return Reply(text, "", 0.01, 0.02 * self.asked, prompt, 2, "stop")


def seeing(case: Case, picture: bool) -> str:
    return case.expect[0] if picture else "I see no picture."


def test_a_model_that_sees_passes() -> None:
    client, heard = Answerer(seeing), []
    report = run_smoke(client, SHAPES, host="box", on_result=heard.append)
    assert report.ok
    assert (report.passed, report.failed) == (12, 0)
    assert tuple(heard) == report.cases
    assert client.asked == 1 + 12 * 3 + 12
    assert len(report.steady_s) == 36
    assert report.warmup_s == 0.02
    assert min(report.steady_s) == pytest.approx(0.04)
    assert report.control == PictureControl(12, 12, 0, report.control.guessable, 18)


def test_every_question_is_a_step_of_the_progress() -> None:
    """The warm-up, the repeats and the control too."""
    steps = smoke_steps(Console(file=io.StringIO()), "box", SHAPES, repeats=3)
    run_smoke(CountingClient(Answerer(seeing), steps.step), SHAPES, host="box")
    assert steps.line().startswith(f"{1 + 12 * 3 + 12} of {1 + 12 * 3 + 12}")


WRONG = {
    "one wrong answer": (
        lambda c, p: "purple" if c == SHAPES.cases[3] else seeing(c, p),
        18,
        1,
        "",
    ),
    "gibberish": (lambda c, p: "picichlpCC", 18, 12, ""),
    "lists everything": (lambda c, p: "red green blue yellow circle square triangle", 18, 12, ""),
    "blind": (lambda c, p: "I see no picture.", 0, 13, "drops pictures"),
    "answers without looking": (lambda c, p: c.expect[0], 18, 1, "do not come from the pictures"),
    "pictures dropped but answers known": (lambda c, p: c.expect[0], 0, 1, "drops pictures"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_or_blind_model_fails(name: str) -> None:
    answer, tokens, failed, message = WRONG[name]
    report = run_smoke(Answerer(answer, tokens), SHAPES, host="box")
    assert not report.ok
    assert report.failed == failed
    assert message in report.control.failure
    assert bool(message) == bool(report.control.failure)


@pytest.mark.parametrize(
    ("control", "fails"),
    [
        (PictureControl(12, 12, 0, 4, 18), False),
        (PictureControl(12, 12, 4, 4, 18), False),
        (PictureControl(12, 12, 5, 4, 18), True),
        (PictureControl(12, 3, 3, 4, 18), True),
        (PictureControl(1, 1, 1, 1, 18), True),
        (PictureControl(12, 0, 0, 4, 18), False),
        (PictureControl(12, 12, 0, 4, None), False),
        (PictureControl(12, 12, 0, 4, 0), True),
    ],
)
def test_what_the_picture_control_concludes(control: PictureControl, fails: bool) -> None:
    assert bool(control.failure) is fails


def test_one_wrong_repeat_fails_the_case() -> None:
    turns = iter(["Red", "Red", "Red", "Blue", "none"])
    one = CaseFile(cases=SHAPES.cases[:1])
    report = run_smoke(Answerer(lambda case, picture: next(turns)), one, host="box")
    assert [(case.passed, case.given) for case in report.cases] == [(False, "Blue")]


def test_a_refused_case_fails_and_the_rest_goes_on() -> None:
    answered = Answerer(seeing)

    def refuse_second(case: Case, picture: bool) -> str:
        if case == SHAPES.cases[1]:
            raise UnhealthyError("HTTP 400: no")
        return seeing(case, picture)

    answered = Answerer(refuse_second)
    report = run_smoke(answered, SHAPES, host="box")
    assert (report.passed, report.failed) == (11, 1)
    assert report.cases[1].error == "HTTP 400: no"
    assert report.cases[1].latency_s is None


def test_a_silent_server_ends_the_run() -> None:
    def silent(case: Case, picture: bool) -> str:
        if case == SHAPES.cases[1]:
            raise NoAnswerError("gone")
        return seeing(case, picture)

    with pytest.raises(NoAnswerError):
        run_smoke(Answerer(silent), SHAPES, host="box")


def test_through_a_real_proxy_the_pictures_are_gone() -> None:
    """The server answers as the captured one did: with a colour, or that it sees no picture."""

    def respond(request) -> Capture:  # type: ignore[no-untyped-def]
        return capture("stream_picture" if request.pictures else "stream_no_picture")

    reds = CaseFile(cases=tuple(case for case in SHAPES.cases if case.expect == ("red",)))
    with ReplayServer(respond) as server:
        with Client(server.url, "tiny-vqa") as client:
            assert run_smoke(client, reds, host="box", repeats=1).ok
        with BlindProxy(server.url) as proxy, Client(proxy.url, "tiny-vqa") as client:
            report = run_smoke(client, reds, host="box", repeats=1)
    assert proxy.stripped == 2
    assert report.cases[0].given == "I see no picture."
    assert report.failed == 2
    assert "drops pictures" in report.control.failure


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, None),
        ([3.0], 95, 3.0),
        ([1.0, 2.0, 3.0, 4.0], 50, 2.5),
        ([4.0, 1.0, 3.0, 2.0], 95, 3.85),
        ([15.0, 20.0, 35.0, 40.0, 50.0], 40, 29.0),
        (list(range(101)), 95, 95),
        ([1.0, 9.0], 100, 9.0),
    ],
)
def test_percentile_is_linear_interpolation(
    values: list[float], percent: float, expected: float | None
) -> None:
    assert percentile(values, percent) == (
        expected if expected is None else pytest.approx(expected)
    )


def test_json_holds_what_was_promised() -> None:
    result = run_smoke(Answerer(seeing), SHAPES, host="box").to_json()
    promised = {
        "host",
        "model",
        "passed",
        "failed",
        "warmup_s",
        "steady_p50_s",
        "steady_p95_s",
        "cases",
    }
    assert set(result) == promised | {"picture_control"}
    assert (result["host"], result["model"], result["passed"]) == ("box", "tiny-vqa", 12)
    assert json.loads(json.dumps(result)) == result
    first = result["cases"][0]
    assert first["expected"] == ["red"]
    assert (first["prompt_tokens"], first["completion_tokens"], first["passed"]) == (40, 2, True)


@pytest.mark.parametrize("width", [80, 100])
def test_the_table_fits_and_shows_all(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    wrong = Answerer(lambda c, p: "\x1b[2J[bold]" if c == SHAPES.cases[1] else seeing(c, p))
    print_smoke(run_smoke(wrong, SHAPES, host="box"), console)
    text = console.file.getvalue()
    assert max(len(line) for line in text.splitlines()) <= width
    for word in ("question", "expected", "given", "latency", "TTFT", "tokens", "WRONG", "40+2"):
        assert word in text
    assert "\x1b" not in text
    assert "FAILED  box  tiny-vqa  11 of 12 answered right" in text
    assert "without their pictures: 0 of 12 right" in text


def test_durations_and_untrusted_text() -> None:
    shown = [duration(s) for s in (None, 0.0284, 1.234, 12.34)]
    assert shown == ["-", "28 ms", "1.23 s", "12.3 s"]
    assert printable("a\n\n b\x07c") == "a b c"
    assert len(printable("x" * 500)) == 72
