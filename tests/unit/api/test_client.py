"""The client against answers captured from a real vLLM server, over real HTTP."""

from __future__ import annotations

import socket
from dataclasses import replace
from itertools import repeat

import pytest

from onecard.api import client as client_module
from onecard.api.client import Client, ServedModel
from onecard.api.failures import ExceedsLimitError, NoAnswerError, server_message
from onecard.api.stream import ONLY_REASONING, read_stream, split_lines
from onecard.credentials.secret import Secret
from onecard.errors import UnhealthyError, UsageError
from tests.support.replay_server import Capture, ReplayServer, capture

QUESTION = [{"role": "user", "content": [{"type": "text", "text": "What color is it?"}]}]


def ask(answer: Capture, key: Secret | None = None, timeout_s: float = 5.0):  # type: ignore[no-untyped-def]
    with (
        ReplayServer(lambda request: answer) as server,
        Client(server.url, "tiny-vqa", key, timeout_s) as client,
    ):
        return client.chat(QUESTION, max_tokens=16), server.requests[0]


def test_a_streamed_answer_is_read_and_timed() -> None:
    reply, _ = ask(capture("stream_picture"))
    assert (reply.text, reply.reasoning, reply.finish_reason) == ("Red", "", "stop")
    assert (reply.prompt_tokens, reply.completion_tokens) == (40, 2)
    assert 0 < reply.ttft_s <= reply.total_s
    assert reply.trouble == ""


def test_every_request_is_bounded_greedy_and_without_thinking() -> None:
    _, request = ask(capture("stream_picture"), Secret("abc"))
    body = request.body
    assert body["max_tokens"] == 16
    assert body["temperature"] == 0
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["stream_options"] == {"include_usage": True}
    assert request.headers["Authorization"] == "Bearer abc"


@pytest.mark.parametrize("name", ["stream_only_reasoning", "image_stream"])
def test_only_reasoning_is_no_answer_and_reports_why(name: str) -> None:
    reply, _ = ask(capture(name))
    assert reply.text == ""
    assert reply.reasoning
    assert reply.trouble == ONLY_REASONING
    assert reply.ttft_s is not None


def test_older_reasoning_key_and_blank_lines_before_the_text() -> None:
    lines = [
        b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}',
        b'data: {"choices":[{"delta":{"reasoning_content":"I look."}}]}',
        b'data: {"choices":[{"delta":{"content":"\\n\\nRed"},"finish_reason":"stop"}]}',
        b"data: [DONE]",
    ]
    reply = read_stream(lines, iter([10.5, 12.0]).__next__, 10.0, "u")
    assert (reply.text, reply.reasoning) == ("Red", "I look.")
    assert (reply.ttft_s, reply.total_s) == (0.5, 2.0)
    assert (reply.prompt_tokens, reply.completion_tokens) == (None, None)


@pytest.mark.parametrize(
    ("name", "limit"),
    [("too_long_text", 4096), ("too_long_max_tokens", 4096), ("many_images_overflow", 4096)],
)
def test_too_long_is_its_own_error_with_the_limit(name: str, limit: int) -> None:
    with pytest.raises(ExceedsLimitError) as caught:
        ask(capture(name))
    assert caught.value.limit == limit


@pytest.mark.parametrize(
    ("name", "key", "message"),
    [
        ("no_key_refused", None, "wants an API key; none was given (HTTP 401: Unauthorized)"),
        ("no_key_refused", Secret("k-123"), "does not accept this API key (HTTP 401"),
        ("wrong_model", None, "The model `nope` does not exist. Valid aliases: tiny."),
        ("bad_image", None, "HTTP 400: Failed to load image: cannot identify image file"),
        ("bad_url", None, "HTTP 500: Cannot connect to host"),
    ],
)
def test_a_refusal_carries_the_servers_own_words(
    name: str, key: Secret | None, message: str
) -> None:
    with pytest.raises(UnhealthyError) as caught:
        ask(capture(name), key)
    assert message in caught.value.message
    assert not isinstance(caught.value, (NoAnswerError, ExceedsLimitError))
    assert "k-123" not in caught.value.message


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ('{"error":"Unauthorized"}', "Unauthorized"),
        ('{"object":"error","message":"no such thing"}', "no such thing"),
        ('{"detail":"Not Found"}', "Not Found"),
        ("<html>\n502  Bad Gateway</html>", "<html> 502 Bad Gateway</html>"),
        ("", ""),
    ],
)
def test_error_bodies_of_every_shape_become_one_line(body: str, line: str) -> None:
    assert server_message(body) == line


def test_an_error_in_the_middle_of_a_stream() -> None:
    lines = [
        b'data: {"error":{"message":"EngineCore died","type":"InternalServerError","code":500}}'
    ]
    with pytest.raises(UnhealthyError, match="HTTP 500: EngineCore died"):
        read_stream(lines, lambda: 0.0, 0.0, "u")


def test_a_stream_that_breaks_off() -> None:
    whole = capture("stream_picture")
    with pytest.raises(NoAnswerError, match="lost before the answer was complete"):
        ask(replace(whole, cut_after=400))
    with pytest.raises(NoAnswerError, match="broke off"):
        ask(replace(whole, body=whole.body.replace(b"data: [DONE]", b"")))


def test_nobody_listens_and_nobody_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(NoAnswerError, match="connection refused"):
            Client(url, "m").version()
        silent.listen()
        with pytest.raises(NoAnswerError, match=r"no answer within 0\.2 s"):
            Client(url, "m", timeout_s=0.2).chat(QUESTION, max_tokens=1)


def test_errors_name_the_address_on_the_box() -> None:
    """A tunnel's own port is chosen again each time and carries no information."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        tunnel = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = Client(tunnel, "m", shown="http://127.0.0.1:8000")
        with pytest.raises(NoAnswerError, match=r"^http://127\.0\.0\.1:8000/version: "):
            client.version()
        with pytest.raises(NoAnswerError, match=r"^http://127\.0\.0\.1:8000/v1/chat"):
            client.chat(QUESTION, max_tokens=1)


def test_version_and_models() -> None:
    pages = {"/version": "version", "/v1/models": "models"}
    with (
        ReplayServer(lambda request: capture(pages[request.path])) as server,
        Client(server.url + "/", "tiny") as client,
    ):
        assert client.version() == "0.32.0"
        assert client.models() == (ServedModel("tiny", 4096),)


def test_an_unhealthy_server_and_a_strange_one() -> None:
    with (
        ReplayServer(lambda request: Capture(503, b"")) as server,
        pytest.raises(UnhealthyError, match="HTTP 503: no reason given"),
    ):
        Client(server.url, "m").version()
    with (
        ReplayServer(lambda request: Capture(200, b"<html>")) as server,
        pytest.raises(UnhealthyError, match="not a JSON object"),
    ):
        Client(server.url, "m").models()


def test_a_key_that_no_header_can_carry_is_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        Client("http://127.0.0.1:1", "m", Secret("two\nlines"))
    assert "two" not in caught.value.message


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_without_end_is_given_up(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "LONGEST_ANSWER", 5000)
    endless = replace(capture("stream_picture"), status=status, body=b"x" * 10_000)
    with ReplayServer(lambda request: endless) as server, Client(server.url, "m") as client:
        for ask_for in (client.metrics, client.models, lambda: client.chat([], max_tokens=1)):
            with pytest.raises(UnhealthyError, match="the answer is longer than 5,000 bytes"):
                ask_for()


def test_an_event_without_end_is_given_up() -> None:
    pieces = [b"a\r\nb", b"\n\nlast"]
    assert list(split_lines(pieces, "http://x")) == [b"a\r", b"b", b"", b"last"]
    with pytest.raises(UnhealthyError, match="an event is longer than"):
        list(split_lines(repeat(b"x" * 512), "http://x"))
