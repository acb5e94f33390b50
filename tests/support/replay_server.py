"""An HTTP server on 127.0.0.1 that replays answers captured from a real vLLM server."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CAPTURES = Path(__file__).parent.parent / "unit" / "fixtures" / "http"


@dataclass(frozen=True)
class Capture:
    """An answer. cut_after: bytes of the body after which the connection is dropped; None: never."""

    status: int
    body: bytes
    content_type: str = "application/json"
    cut_after: int | None = None


def capture(name: str) -> Capture:
    """Read the captured answer fixtures/http/NAME.txt: status line, headers as JSON, body."""
    head, body = (CAPTURES / f"{name}.txt").read_text(encoding="utf-8").split("\n}\n\n", 1)
    first, headers = head.split("\n", 1)
    kind = json.loads(headers + "}").get("content-type", "text/plain")
    return Capture(int(first.split()[1]), body.encode(), kind)


@dataclass(frozen=True)
class Request:
    """What the server was sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def pictures(self) -> int:
        """How many picture parts the request's messages hold."""
        contents = [message["content"] for message in self.body["messages"]]
        return sum(part["type"] == "image_url" for content in contents for part in content)


@dataclass
class ReplayServer:
    """Answers with `respond(request)` on a free port while entered, at `url`."""

    respond: Callable[[Request], Capture]
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> ReplayServer:
        replay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else every answer waits 40 ms

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length)) if length else None
                request = Request(self.command, self.path, dict(self.headers), body)
                replay.requests.append(request)
                answer = replay.respond(request)
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body[: answer.cut_after])
                self.close_connection = answer.cut_after is not None

            do_POST = do_GET  # noqa: N815

            def log_message(self, *args: Any) -> None:
                """Log nothing: the output belongs to the test."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
