"""A steady load of chat requests on an address, and what became of each request."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Sent:
    """One request. begun, ended: seconds of the monotonic clock. status: 0 without an answer."""

    begun: float
    ended: float
    status: int
    why: str = ""

    @property
    def failed(self) -> bool:
        return self.status != 200


@dataclass
class SteadyLoad:
    """So many requests at once, each client's next one as soon as its last has ended.

    url: such as https://10.0.0.1/v1. tokens: of each answer. padding: further bytes of a request.
    """

    url: str
    model: str
    key_file: Path
    certificate: str
    tokens: int = 24
    padding: int = 0
    sent: list[Sent] = field(default_factory=list)
    _left: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self, clients: int) -> Iterator[SteadyLoad]:
        """Send until the block ends; the last requests are waited for."""
        threads = [threading.Thread(target=self._client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._left.set()
            for thread in threads:
                thread.join()

    def failures(self) -> list[Sent]:
        return [each for each in self.sent if each.failed]

    def longest_ms(self) -> float:
        return 1000 * max((each.ended - each.begun for each in self.sent), default=0.0)

    def _client(self) -> None:
        context = ssl.create_default_context(cafile=self.certificate)
        place = self.url.split("/")[2]
        headers = {
            "Authorization": f"Bearer {self.key_file.read_text().strip()}",
            "Content-Type": "application/json",
        }
        connection = http.client.HTTPSConnection(place, timeout=120, context=context)
        while not self._left.is_set():
            begun, status, why = time.monotonic(), 0, ""
            try:
                connection.request("POST", "/v1/chat/completions", self._body(), headers)
                answer = connection.getresponse()
                text = answer.read().decode(errors="replace")
                status, why = answer.status, "" if answer.status == 200 else text[:200]
            except (OSError, http.client.HTTPException) as error:
                why = repr(error)
                connection.close()
            self.sent.append(Sent(begun, time.monotonic(), status, why))

    def _body(self) -> bytes:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": "Say hello."}],
            "max_tokens": self.tokens,
            "ignore_eos": True,
            "chat_template_kwargs": {"enable_thinking": False},
            "user": "x" * self.padding,
        }
        return json.dumps(body).encode()
