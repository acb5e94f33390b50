"""A hub: the routes of the Hugging Face hub that a download uses, with faults to order.

As the real one: the API tells a gated model's files to anybody and refuses their bytes; large
files are LFS files with a SHA-256, and come from another host by a redirect; small ones have their
git blob's name; Range: is understood.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote

from tests.support.web import serving

TOKEN = "hf_accepted"
NOT_GRANTED = "hf_not_granted"
_LFS_FROM = 100_000  # bytes


@dataclass
class Model:
    """A repository. access: `public`, or `gated`: TOKEN alone may read it."""

    files: Mapping[str, bytes]
    commit: str = "0123456789abcdef0123456789abcdef01234567"
    access: str = "public"


@dataclass
class HubServer:
    """What is served, what was requested, and what goes wrong.

    rate: bytes a second for each connection, None for no limit. cut_after: bytes after which each
    answer is broken off. garble: files whose bytes come wrong, and how often. busy: codes that are
    answered to the next questions. served: bytes that went out, by file. bytes_host_saw: tokens
    that came along to the bytes' own host.
    """

    models: dict[str, Model]
    rate: float | None = None
    cut_after: int | None = None
    garble: dict[str, int] = field(default_factory=dict)
    ignore_range: bool = False
    busy: list[int] = field(default_factory=list)
    served: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    bytes_host_saw: list[str] = field(default_factory=list)
    url: str = ""
    bytes_url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def serving(self, address: str) -> Iterator[HubServer]:
        """Serve on two ports of an address: the hub, and the host of the large files' bytes."""
        with serving(_handler(self), address) as self.url, serving(_handler(self), address) as url:
            self.bytes_url = url
            yield self

    @property
    def total(self) -> int:
        """Return how many bytes of files went out."""
        return sum(self.served.values())


def git_blob(content: bytes) -> str:
    """Return the name that git gives a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _sibling(path: str, content: bytes) -> dict[str, Any]:
    reported: dict[str, Any] = {
        "rfilename": path,
        "size": len(content),
        "blobId": git_blob(content),
    }
    if len(content) >= _LFS_FROM:
        digest = hashlib.sha256(content).hexdigest()
        reported["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
    return reported


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            """Log nothing."""

        def do_HEAD(self) -> None:
            self._answer(send=False)

        def do_GET(self) -> None:
            self._answer(send=True)

        def _answer(self, *, send: bool) -> None:
            path = unquote(self.path)
            hub.requests.append(f"{self.command} {path}")
            api = re.fullmatch(r"/api/models/(.+?)/revision/(.+?)\?blobs=true", path)
            file = re.fullmatch(
                r"/(?P<model>[^/]+/[^/]+)/resolve/(?P<commit>\w+)/(?P<path>.+)", path
            )
            stored = re.fullmatch(r"/bytes/(?P<model>[^/]+/[^/]+)/(?P<path>.+)", path)
            if hub.busy:
                self._refuse(hub.busy.pop(0), "")
            elif api:
                self._info(api[1], api[2])
            elif file:
                self._file(file["model"], file["path"], send=send)
            elif stored:
                if self.headers["Authorization"]:
                    hub.bytes_host_saw.append(self.headers["Authorization"])
                self._bytes(hub.models[stored["model"]].files[stored["path"]], stored["path"])
            else:
                self._refuse(404, "")

        def _info(self, name: str, revision: str) -> None:
            model = hub.models.get(name)
            if self.headers["Authorization"] not in (
                None,
                f"Bearer {TOKEN}",
                f"Bearer {NOT_GRANTED}",
            ):
                self._refuse(401, "")
            elif model is None:
                self._refuse(404 if self.headers["Authorization"] else 401, "RepoNotFound")
            elif revision not in ("main", "v1", model.commit):
                self._refuse(404, "RevisionNotFound")
            else:
                siblings = [_sibling(*item) for item in model.files.items()]
                self._send(json.dumps({"sha": model.commit, "siblings": siblings}).encode())

        def _file(self, name: str, path: str, *, send: bool) -> None:
            model = hub.models.get(name)
            if model is None:
                self._refuse(404 if self.headers["Authorization"] else 401, "RepoNotFound")
                return
            if model.access == "gated" and self.headers["Authorization"] != f"Bearer {TOKEN}":
                self._refuse(403 if self.headers["Authorization"] else 401, "GatedRepo")
                return
            content = model.files[path]
            if len(content) >= _LFS_FROM:
                self.send_response(302)
                self.send_header("Location", f"{hub.bytes_url}/bytes/{name}/{path}")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif send:
                self._bytes(content, path)
            else:
                self._send(b"")

        def _bytes(self, content: bytes, path: str) -> None:
            start = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "")
            if start and start[2] and not hub.ignore_range:
                content = content[: int(start[2]) + 1]
            begin = int(start[1]) if start and not hub.ignore_range else 0
            self.send_response(206 if start and not hub.ignore_range else 200)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            if hub.garble.get(path, 0) > 0:
                hub.garble[path] -= 1
                content = content[:-1] + bytes([content[-1] ^ 1])
            sent = 0
            for at in range(begin, len(content), 65536):
                chunk = content[at : at + 65536]
                if hub.cut_after is not None and sent >= hub.cut_after:
                    self.close_connection = True
                    return
                self.wfile.write(chunk)
                sent += len(chunk)
                with hub.lock:
                    hub.served[path] = hub.served.get(path, 0) + len(chunk)
                if hub.rate:
                    time.sleep(len(chunk) / hub.rate)

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _refuse(self, code: int, reason: str) -> None:
            self.send_response(code)
            self.send_header("X-Error-Code", reason)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def handle(self) -> None:
            """Take it lightly when the other side goes away in the middle."""
            try:
                super().handle()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    return Handler
