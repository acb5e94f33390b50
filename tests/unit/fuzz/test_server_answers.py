"""What a server sends, or what sits on its port: an answer, or an error of onecard's."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onecard.api.client import Client
from onecard.api.failures import refusal, server_message
from onecard.api.metrics import NAMES, read_metrics
from onecard.api.stream import Reply, read_stream
from onecard.errors import OnecardError, UsageError
from onecard.fit.shape.safetensors import folder_bytes
from tests.unit.fuzz.texts import JSON, SCALARS, changed

CHUNK = {
    "usage": {"prompt_tokens": 5, "completion_tokens": 2},
    "choices": [{"delta": {"content": "a", "reasoning": "b"}, "finish_reason": "stop"}],
    "error": {"code": 400, "message": "maximum context length is 5 tokens"},
}
EVENTS = (
    changed(lambda: [CHUNK]) | st.fixed_dictionaries({"choices": st.lists(JSON, max_size=2)}) | JSON
).map(lambda value: b"data: " + json.dumps(value).encode("utf-8", "replace"))
STREAMS = st.lists(
    EVENTS | st.binary(max_size=20) | st.just(b"data: [DONE]") | st.just(b"data: " + b"[" * 99_999),
    max_size=5,
)


def checked(reply: Reply) -> None:
    assert isinstance(reply.text, str)
    assert isinstance(reply.reasoning, str)
    assert isinstance(reply.finish_reason, str)
    for count in (reply.prompt_tokens, reply.completion_tokens):
        assert count is None or (isinstance(count, int) and count >= 0)
    assert isinstance(reply.trouble, str)


@given(STREAMS)
def test_an_event_stream(lines: list[bytes]) -> None:
    for end in ([], [b"data: [DONE]"]):
        with suppress(OnecardError):
            checked(read_stream([*lines, *end], lambda: 1.0, 0.0, "http://x"))


SAMPLES = st.lists(
    st.tuples(
        st.sampled_from([*NAMES, "vllm:", "#", ""]),
        st.sampled_from(["", "{", '{engine="0"}', "{}{}"]),
        st.sampled_from(["", " "]),
        st.sampled_from(["NaN", "+Inf", "-Inf", "1e999", "1_0", "0x1", "1"]) | st.text(max_size=5),
    ).map("".join)
    | st.text(max_size=20),
    max_size=5,
).map("\n".join)


@given(SAMPLES)
def test_metrics(text: str) -> None:
    for value in read_metrics(text).values():
        assert math.isfinite(value)


@given(st.text(max_size=30) | JSON.map(json.dumps), st.integers(100, 599), st.booleans())
@example("[" * 99_999, 400, True)
@example('{"message": "maximum context length is ' + "9" * 5000 + ' tokens"}', 400, True)
def test_a_refusal(body: str, status: int, had_key: bool) -> None:
    assert "\n" not in refusal("http://x", status, body, had_key=had_key).message
    assert len(server_message(body)) < 400


class _Answers(BaseHTTPRequestHandler):
    """Sends the bytes of its server, whatever is requested."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with suppress(OSError):
            self.wfile.write(self.server.answer)  # type: ignore[attr-defined]
        self.close_connection = True

    do_POST = do_GET  # noqa: N815

    def log_message(self, *words: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as opened:
        opened.daemon_threads = True
        thread = threading.Thread(target=opened.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield opened
        opened.shutdown()


HEADS = st.sampled_from(
    [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 99999 \r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", b"HTTP/1.1 302 x\r\nLocation: :\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=x-\xff\r\n\r\n", b"SSH-2.0-x\r\n",
     b"HTTP/1.1 400 x\r\n" + b"a: b\r\n" * 200 + b"\r\n"]
)  # fmt: skip
BODIES = (
    st.binary(max_size=20)
    | JSON.map(lambda value: json.dumps(value).encode())
    | JSON.map(lambda value: json.dumps({"data": value, "count": value, "version": value}).encode())
    | JSON.map(lambda value: json.dumps({"data": [value]}).encode())
    | STREAMS.map(b"\n".join)
)


@given(head=HEADS, body=BODIES)
@example(head=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", body=b"-2")
def test_an_http_answer(server: Any, head: bytes, body: bytes) -> None:
    server.answer = head + body
    with Client(f"http://127.0.0.1:{server.server_port}", "m", timeout_s=5) as client:
        for method in (client.version, client.metrics, client.models):
            with suppress(OnecardError):
                method()
        with suppress(OnecardError):
            assert client.count_tokens("a") >= 0
        with suppress(OnecardError):
            for model in client.models():
                assert model.ctx is None or isinstance(model.ctx, int)
        with suppress(OnecardError):
            checked(client.chat([], max_tokens=5))


OFFSETS = st.lists(SCALARS, max_size=3) | st.just([0, 8]) | JSON
HEADERS = st.dictionaries(
    st.sampled_from(["__metadata__", "mtp.x", "model.layers.0.w", "layers.99999999999.w", ""]),
    st.fixed_dictionaries({"data_offsets": OFFSETS}) | JSON,
    max_size=3,
).map(lambda value: json.dumps(value).encode())
LENGTHS = st.sampled_from([None, 0, 1, 2**63, 100_000_000, 100_000_001])


@given(HEADERS | st.binary(max_size=30) | st.just(b"[" * 99_999), LENGTHS)
def test_a_safetensors_header(
    tmp_path_factory: pytest.TempPathFactory, header: bytes, length: int | None
) -> None:
    folder = tmp_path_factory.mktemp("model")
    stated = (len(header) if length is None else length).to_bytes(8, "little")
    (folder / "model.safetensors").write_bytes(stated + header)
    with suppress(UsageError):
        total = folder_bytes(Path(folder), 1)
        assert isinstance(total, int)
        assert total >= 0
