"""Real HTTP proxies that plant a defect: pictures that are stripped, answers that come late."""

from __future__ import annotations

import http.client
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


def without_pictures(body: bytes) -> bytes:
    """Return the chat request `body` with only the text parts of its messages."""
    request = json.loads(body)
    for message in request.get("messages", ()):
        if isinstance(message.get("content"), list):
            message["content"] = [p for p in message["content"] if p.get("type") == "text"]
    return json.dumps(request).encode()


class BlindProxy:
    """Strips every picture from chat requests: the server behind it is blind.

    Serves on a free port of 127.0.0.1 while entered; `url` says where.
    """

    def __init__(self, upstream: str, timeout_s: float = 120.0) -> None:
        self.stripped = 0
        self._upstream = urlsplit(upstream).netloc
        self._timeout_s = timeout_s
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> BlindProxy:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def change(self, body: bytes) -> bytes:
        """Return the chat request that is passed on for `body`."""
        blind = without_pictures(body)
        self.stripped += len(blind) < len(body) - 1000
        return blind

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else every answer waits 40 ms

            def do_GET(self) -> None:
                self._pass_on(None)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == "/v1/chat/completions":
                    body = proxy.change(body)
                self._pass_on(body)

            def _pass_on(self, body: bytes | None) -> None:
                upstream = http.client.HTTPConnection(proxy._upstream, timeout=proxy._timeout_s)
                try:
                    stored = {k: v for k, v in self.headers.items() if k.lower() not in HOP_BY_HOP}
                    upstream.request(self.command, self.path, body, stored)
                    answer = upstream.getresponse()
                    self.send_response(answer.status)
                    for name, value in answer.getheaders():
                        if name.lower() not in HOP_BY_HOP | {"date", "server"}:
                            self.send_header(name, value)
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    while piece := answer.read1(65536):
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                    self.wfile.write(b"0\r\n\r\n")
                finally:
                    upstream.close()

            def log_message(self, *args: Any) -> None:
                """Log nothing: the output belongs to the test."""

        return Handler


class SlowProxy(BlindProxy):
    """Passes every chat request on unchanged, `delay_s` seconds late."""

    def __init__(self, upstream: str, delay_s: float) -> None:
        super().__init__(upstream)
        self._delay_s = delay_s

    def change(self, body: bytes) -> bytes:
        time.sleep(self._delay_s)
        return body
