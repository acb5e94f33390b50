"""A load generator of the standard library alone: runs here and, as a script, on the box.

    python3 generator.py SPEC.json     prints the requests' times as one JSON array

SPEC: {"url", "key_file"?, "bodies": [...], "concurrency"}. A closed loop: `concurrency`
requests are always in flight. Times are taken as `vllm bench serve` takes them (0.32.0,
lib/endpoint_request_func.py): the first token is the first event with a choice, the end is the
last one. http.client and threads, not asyncio: a waiting thread costs the box nothing.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
import urllib.parse
from typing import Any

_LONGEST = 1 << 20  # bytes of a line
# The last two: an event that is JSON of another kind, or nested too deeply.
_BROKEN = (OSError, http.client.HTTPException, ValueError, AttributeError, RecursionError)


def run_load(
    url: str, key: str, bodies: list[dict[str, Any]], concurrency: int, timeout_s: float = 1800.0
) -> list[dict[str, Any]]:
    """Send every body to /v1/chat/completions; return the times of each request, in order.

    url: such as http://127.0.0.1:8000. key: empty for none.
    Each mapping: began_s (on this computer's monotonic clock), ttft_s, latency_s, prompt_tokens,
    completion_tokens, error (empty for a request that was answered).
    """
    results: list[dict[str, Any]] = [{} for _ in bodies]
    numbers = iter(range(len(bodies)))
    lock = threading.Lock()

    def work() -> None:
        sender = _Sender(url, key, timeout_s)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            results[number] = sender.send(bodies[number])
        sender.close()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class _Sender:
    """One persistent connection."""

    def __init__(self, url: str, key: str, timeout_s: float) -> None:
        place = urllib.parse.urlsplit(url).netloc
        self._connection = http.client.HTTPConnection(place, timeout=timeout_s)
        self._headers = {"Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"

    def send(self, body: dict[str, Any]) -> dict[str, Any]:
        """Send one request and time its answer."""
        data = json.dumps(body).encode()
        began = time.perf_counter()
        times: dict[str, Any] = {
            "began_s": began,
            "ttft_s": None,
            "latency_s": None,
            "prompt_tokens": None,
            "completion_tokens": None,
            "error": "",
        }
        try:
            self._connection.request("POST", "/v1/chat/completions", data, self._headers)
            answer = self._connection.getresponse()
            if answer.status != 200:
                message = answer.read(300).decode("utf-8", "replace")
                times["error"] = f"HTTP {answer.status}: {message}"
                self.close()
            else:
                _read(answer, began, times)
        except _BROKEN as error:
            times["error"] = f"{type(error).__name__}: {error}"
            self.close()  # the next request opens a new connection
        if not times["error"] and times["ttft_s"] is None:
            times["error"] = "no token was returned"
        return times

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _read(answer: http.client.HTTPResponse, began: float, times: dict[str, Any]) -> None:
    for line in iter(lambda: answer.readline(_LONGEST), b""):
        if not line.startswith(b"data:"):
            continue
        event = line[5:].strip()
        if event == b"[DONE]":
            answer.read(_LONGEST)
            return
        now = time.perf_counter() - began
        chunk = json.loads(event)
        if chunk.get("error"):
            raise ValueError(str(chunk["error"])[:300])
        if chunk.get("choices"):
            if times["ttft_s"] is None:
                times["ttft_s"] = now
            times["latency_s"] = now
        usage = chunk.get("usage") or {}
        for name in ("prompt_tokens", "completion_tokens"):
            times[name] = usage.get(name, times[name])
    raise ValueError("the response ended before [DONE]")


def main(path: str) -> None:
    """Run the load that a file specifies; print its times."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        spec = json.load(file)
    key = ""
    if spec.get("key_file"):
        with open(spec["key_file"], encoding="utf-8") as file:  # noqa: PTH123
            key = file.read().partition("=")[2].strip()
    json.dump(run_load(spec["url"], key, spec["bodies"], spec["concurrency"]), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
