"""The stress run against a model of known behaviour, over real HTTP."""

from __future__ import annotations

import base64
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from onecard.api.client import Client
from onecard.api.failures import NoAnswerError
from onecard.commands.measure.stress import _kinds
from onecard.errors import UsageError
from onecard.inventory.host import Host
from onecard.measure.stress.cells import BLIND_CONTROL, CONTROL, POSITIONS, cells, default_lengths
from onecard.measure.stress.cells import messages as messages_of
from onecard.measure.stress.curve import Curve
from onecard.measure.stress.stress_host import refuse_blind
from onecard.measure.stress.stress_run import Finished, StressRun
from onecard.measure.stress.stress_table import print_stress
from onecard.measure.texts import KINDS
from onecard.records import find_runs, recorded
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.smoke.case import load_cases
from tests.support.replay_server import Capture, ReplayServer, Request

SHAPES = load_cases(Path(__file__).parents[3] / "onecard/smoke/cases/shapes.yml").cases
BY_PICTURE: dict[str, list[Any]] = {}
for _case in SHAPES:
    if _case.image is not None:
        _data = base64.b64encode(_case.image.read_bytes()).decode()
        BY_PICTURE.setdefault(_data, []).append(_case)
HOST = Host("box1", Connection("192.0.2.1"), Settings())


def stream(text: str, prompt: int) -> Capture:
    """Answer as vLLM streams."""
    events = [
        {"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": 2}},
    ]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    return Capture(200, body.encode(), "text/event-stream")


def model(sees: Callable[[int, bool], bool], ctx: int = 4096, picture_tokens: int = 18) -> Any:
    """Return a server: `sees(words before or behind, picture last)` decides the answer."""

    def respond(request: Request) -> Capture:
        if request.path == "/tokenize":
            return Capture(200, b'{"count": %d}' % len(request.body["prompt"].split()))
        parts = request.body["messages"][0]["content"]
        texts = [part["text"] for part in parts if part["type"] == "text"]
        words = sum(len(text.split()) for text in texts)
        images = [i for i, part in enumerate(parts) if part["type"] == "image_url"]
        prompt = words + 20 + picture_tokens * len(images)
        if prompt > ctx:
            output = (
                f"This model's maximum context length is {ctx} tokens. However, it is too long."
            )
            return Capture(400, json.dumps({"error": {"message": output, "code": 400}}).encode())
        if not images:
            return stream("I can not tell", prompt)
        url = parts[images[0]]["image_url"]["url"].partition(",")[2]
        named = [case for case in BY_PICTURE[url] if case.question == texts[-1]]
        right = " ".join(named[0].expect[0].split())
        return stream(right if sees(words, images[0] > 0) else "purple", prompt)

    return respond


def measure(
    respond: Any, lengths: tuple[int, ...] = (64, 256, 1024)
) -> tuple[Curve, list[Finished]]:
    done: list[Finished] = []
    with (
        ReplayServer(respond) as server,
        Client(server.url, "tiny", timeout_s=5) as client,
        recorded("stress", HOST) as record,
    ):
        run = StressRun(client, SHAPES, 12, record)
        return run.run(cells(lengths, ("prose", "distractor"), POSITIONS), done.append), done


def test_a_model_that_always_sees_loses_nothing() -> None:
    curve, done = measure(model(lambda words, last: True))
    assert [point.tally.right for point in curve.points] == [12, 48, 48, 48]
    assert curve.verdict.endswith("no length shows a loss beyond chance")
    assert curve.without_image.right == 0
    assert curve.picture_tokens == 18
    assert not curve.trouble
    assert curve.verdict.startswith("12 of 12 right without a text, 48 of 48 behind 1,024")
    assert [each.cell for each in done[:2]] == [CONTROL, BLIND_CONTROL]
    run = find_runs()[0][-1]
    assert len(run.all("cell")) == 14
    assert len(run.all("answer")) == 14 * 12
    answer = run.all("answer")[-1]
    assert answer["target_tokens"] == 1024
    assert answer["picture"]["file"].endswith(".png")
    assert 1000 < answer["prompt_tokens"] < 1080


def test_a_model_that_goes_blind_is_found_out_at_the_right_length() -> None:
    curve, _ = measure(model(lambda words, last: words < 200))
    assert [point.tally.right for point in curve.points] == [12, 48, 0, 0]
    assert curve.verdict == (
        "12 of 12 right without a text; worse beyond chance from 256 tokens of text on: "
        "0 of 48 at 256, 0 of 48 at 1,024; from 256 on worse than guessing (33 %)"
    )


def test_position_and_length_are_separate() -> None:
    _, done = measure(model(lambda words, last: last or words < 100))
    first = [each for each in done if each.cell.position == "image first"]
    last = [each for each in done if each.cell.position == "image last"]
    assert sum(each.tally.right for each in last) == 6 * 12
    assert sum(each.tally.right for each in first) == 3 * 12


def test_what_was_answered_before_ctrl_c_is_stored() -> None:
    requested = []

    def stop(answer: object) -> None:
        requested.append(answer)
        if len(requested) == 20:
            raise KeyboardInterrupt

    with (
        ReplayServer(model(lambda words, last: True)) as server,
        Client(server.url, "tiny", timeout_s=5) as client,
        pytest.raises(KeyboardInterrupt),
        recorded("stress", HOST) as record,
    ):
        StressRun(client, SHAPES, 12, record).run(
            cells((64,), ("prose",), POSITIONS), on_answer=stop
        )
    run = find_runs()[0][-1]
    assert (run.status, len(run.all("answer")), len(run.all("cell"))) == ("interrupted", 20, 1)


def test_a_length_beyond_the_context_is_no_wrong_answer() -> None:
    curve, done = measure(model(lambda words, last: True, ctx=600))
    point = curve.points[-1]
    assert (point.tally.right, point.tally.wrong, point.tally.exceeds) == (0, 0, 4)
    assert point.tally.interval is None
    assert done[-1].answers[0].limit == 600
    console = Console(file=io.StringIO(), width=80)
    print_stress(done, curve, console)
    assert "exceeds 600" in console.file.getvalue()
    assert "48 of 48 behind 256 tokens" in curve.verdict


@pytest.mark.parametrize(
    ("respond", "trouble"),
    [
        (model(lambda words, last: True, picture_tokens=0), "the server drops pictures"),
        (model(lambda words, last: False), "nothing shows that the answers come from the pictures"),
        (model(lambda words, last: False, ctx=5), "not answered even without a text"),
    ],
)
def test_what_is_no_evidence_of_grounding_is_reported(respond: Any, trouble: str) -> None:
    curve, _ = measure(respond, (64,))
    assert trouble in curve.trouble
    assert curve.verdict == curve.trouble


def test_a_model_that_guesses_is_called_so() -> None:
    chance = random.Random(4)
    curve, _ = measure(model(lambda words, last: chance.random() < 0.35), (64,))
    assert "guessing can reach" in curve.trouble or "nothing shows" in curve.trouble


def test_a_second_question_about_a_picture_is_sent_behind_another_text() -> None:
    done: list[Finished] = []
    prompts = []
    respond = model(lambda words, last: True)

    def listen(request: Request) -> Capture:
        if request.path != "/tokenize" and "image_url" in str(request.body):
            prompts.append(json.dumps(request.body["messages"]))
        answered: Capture = respond(request)
        return answered

    with (
        ReplayServer(listen) as server,
        Client(server.url, "tiny", timeout_s=5) as client,
        recorded("stress", HOST) as record,
    ):
        run = StressRun(client, SHAPES, 24, record)
        curve = run.run(cells((64,), KINDS, POSITIONS), done.append)
    assert [len(each.answers) for each in done] == [12, 12, *[24] * 6]
    assert len(prompts) == len(set(prompts)) == 12 + 6 * 24
    point = curve.points[-1].tally
    assert (point.right, point.asked) == (144, 144)
    assert 12 < point.effective < 30
    noted = find_runs()[0][-1]
    assert noted.all("cell")[-1]["effective"] == pytest.approx(done[-1].tally.effective)
    assert "image" not in noted.all("answer")[-1]


def test_a_server_that_is_gone_is_not_retried_for_ever() -> None:
    requested = []

    def respond(request: Request) -> Capture:
        requested.append(request)
        return Capture(200, b"data: {}\n\n", "text/event-stream", cut_after=3)

    with pytest.raises(NoAnswerError):
        measure(respond)
    assert len(requested) == 3
    run = find_runs()[0][-1]
    assert (run.status, len(run.all("answer"))) == ("failed", 2)


def test_the_parts_stand_where_the_position_names() -> None:
    def kinds(position: str, text: str) -> list[str]:
        (message,) = messages_of(SHAPES[0], text, position)
        return [
            "picture" if part["type"] == "image_url" else part["text"].strip()
            for part in message["content"]
        ]

    question = SHAPES[0].question
    assert kinds("image first", "x") == ["picture", "x", question]
    assert kinds("image last", "x") == ["x", "picture", question]
    assert kinds("image first", "") == ["picture", question]
    assert kinds("no image", "") == [question]


@pytest.mark.parametrize(
    ("ctx", "lengths"),
    [
        (4096, (64, 256, 1024, 3686, 4096)),
        (65536, (64, 256, 1024, 4096, 16384, 58982, 65536)),
        (512, (64, 460, 512)),
    ],
)
def test_the_usual_lengths_end_beyond_the_context(ctx: int, lengths: tuple[int, ...]) -> None:
    assert default_lengths(ctx) == lengths


def test_a_file_without_pictures_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cases.yml"
    file.write_text("cases:\n- name: sum\n  question: What is 1 + 1?\n  expect: ['2']\n")
    with pytest.raises(UsageError, match=r"cases\.yml: no question has a picture"):
        refuse_blind(str(file))


def test_unknown_prefixes_are_refused() -> None:
    assert _kinds("prose, repeated,prose") == ("prose", "repeated")
    with pytest.raises(UsageError, match="--prefixes"):
        _kinds("prose,noise")
