"""HTTP servers for tests, bound to one address and gone at the end of a `with`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@contextmanager
def serving(handler: Any, address: str) -> Iterator[str]:
    """Serve with a request handler on a free port; yields the URL."""
    server = ThreadingHTTPServer((address, 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://{address}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Log nothing."""


def serving_files(folder: Path, address: str) -> Any:
    """Serve a folder's files; a context manager as `serving` is."""
    handler: type[BaseHTTPRequestHandler] | Any = partial(_Quiet, directory=str(folder))
    return serving(handler, address)
