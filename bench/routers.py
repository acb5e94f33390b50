"""Compare onecard's gateway with vLLM's own router where requests share long prefixes.

    .venv/bin/python bench/routers.py --rounds 5

Two copies of the box of `make demo` serve behind both at once. In each round each of the two gets
documents of its own, with a few questions about each: who sends a question to the box that has
read its document? Prints a table in Markdown. Needs root on Linux, as every sandbox box does.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import requests

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from onecard.api.client import Client  # noqa: E402
from onecard.api.metrics import read_metrics  # noqa: E402
from onecard.api.stream import Reply, read_stream  # noqa: E402
from onecard.credentials.secret import Secret  # noqa: E402
from onecard.measure.cache.prompts import CachePrompts  # noqa: E402
from tests.box.conftest import Box  # noqa: E402
from tests.support.served_pool import ServedPool, served_pool  # noqa: E402

ROUTER = "vllm-router==0.1.17"
FOLDER = PROJECT / ".onecard" / "router-venv"
PORT = 18080
WAIT_S = 60.0


@dataclass(frozen=True)
class Way:
    """One address before both boxes. certificate: of it, empty for plain HTTP."""

    name: str
    url: str
    key: Secret
    certificate: str = ""

    def send(self, body: dict[str, Any]) -> Reply:
        """Send a chat request and return its timed answer."""
        url = f"{self.url}/chat/completions"
        started = time.perf_counter()
        with requests.post(
            url,
            json={**body, "stream": True, "stream_options": {"include_usage": True}},
            headers={"Authorization": f"Bearer {self.key.reveal()}"},
            verify=self.certificate or True,
            stream=True,
            timeout=300,
        ) as answer:
            answer.raise_for_status()
            return read_stream(answer.iter_lines(), time.perf_counter, started, url)


@dataclass(frozen=True)
class Round:
    """hits: share of the prompts' tokens that a cache had. ttft_s: by the question's number."""

    hits: float
    ttft_s: tuple[list[float], ...]
    seconds: float


def main() -> int:
    """Print one row for each of the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--documents", type=int, default=8)
    parser.add_argument("--questions", type=int, default=4, help="about each document")
    parser.add_argument("--tokens", type=int, default=3000, help="of a document")
    parser.add_argument("--clients", type=int, default=4, help="requests at once")
    parts = "send messages as lists of parts, as those with pictures are"
    parser.add_argument("--parts", action="store_true", help=parts)
    options = parser.parse_args()
    with served_pool(2) as pool, router(pool) as routed:
        gateway = pool.gateway
        key = Secret(Path(gateway["key_files"]["default"]).read_text().strip())
        ways = (Way("gateway", gateway["url"], key, gateway["certificate"]), routed)
        boxes = [Client(place(pool, name), gateway["model"], routed.key) for name in pool.names]
        found: dict[str, list[Round]] = {way.name: [] for way in ways}
        for number in range(options.rounds):
            for way in ways:
                found[way.name].append(measure(way, boxes, number, options))
                print(f"routers: round {number + 1}: {way.name}", file=sys.stderr)
    print("| | found in a cache | TTFT, first question | TTFT, later ones | a round took |")
    print("|---|--:|--:|--:|--:|")
    for name, rounds in found.items():
        print(row(name, rounds))
    return 0


def measure(way: Way, boxes: list[Client], number: int, options: argparse.Namespace) -> Round:
    """Send all questions about new documents, each document's in order."""
    seed = 1_000_000 * (number + 1) + (500_000 if way.certificate else 0)
    prompts = CachePrompts(boxes[0].model, boxes[0].count_tokens, (), seed)
    documents = [prompts.document(options.tokens) for _ in range(options.documents)]
    chance = random.Random(seed)  # noqa: S311
    ttft: tuple[list[float], ...] = tuple([] for _ in range(options.questions))
    before, started = counted(boxes), time.perf_counter()
    with ThreadPoolExecutor(options.clients) as pool:
        for question, times in enumerate(ttft):
            order = chance.sample(documents, len(documents))
            bodies = [prompts.question(document, question) for document in order]
            if not options.parts:
                bodies = [as_text(body) for body in bodies]
            times += [reply.ttft_s or reply.total_s for reply in pool.map(way.send, bodies)]
    seconds, after = time.perf_counter() - started, counted(boxes)
    return Round((after[0] - before[0]) / (after[1] - before[1]), ttft, seconds)


def as_text(body: dict[str, Any]) -> dict[str, Any]:
    """Return a request whose message is a string, not a list of parts."""
    ((part,),) = (message["content"] for message in body["messages"])
    return {**body, "messages": [{"role": "user", "content": part["text"]}]}


def counted(boxes: list[Client]) -> tuple[float, float]:
    """Return the tokens that were found in a cache, and that were looked for, of all boxes."""
    found = [read_metrics(box.metrics()) for box in boxes]
    return sum(each["prefix_hits"] for each in found), sum(each["prefix_queries"] for each in found)


def row(name: str, rounds: list[Round]) -> str:
    """Return one way's medians, with the least and the most of the rounds."""
    hits = [100 * each.hits for each in rounds]
    first = [1000 * median(each.ttft_s[0]) for each in rounds]
    later = [1000 * median(chain(*each.ttft_s[1:])) for each in rounds]
    seconds = [each.seconds for each in rounds]
    cells = (
        f"{median(values):.{digits}f} {unit} ({min(values):.{digits}f} to {max(values):.{digits}f})"
        for values, digits, unit in (
            (hits, 0, "%"), (first, 0, "ms"), (later, 0, "ms"), (seconds, 1, "s"),
        )
    )  # fmt: skip
    return f"| {name} | {' | '.join(cells)} |"


def place(pool: ServedPool, name: str) -> str:
    """Return the address of a box's server."""
    return f"http://{pool.address(name)}:8000"


@contextmanager
def router(pool: ServedPool) -> Iterator[Way]:
    """Run vLLM's router on this computer, with the policy that looks at prefixes.

    Copies of one box have one key, which the client sends and the router passes on.
    """
    program = FOLDER / "bin" / "vllm-router"
    if not program.exists():
        print(f"routers: installing {ROUTER} in {FOLDER.relative_to(PROJECT)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True)
        install = [FOLDER / "bin" / "python", "-m", "pip", "install", "-q", ROUTER]
        subprocess.run(install, check=True, stdout=sys.stderr)
    key = Box(pool.controller)("sed s/VLLM_API_KEY=// /etc/onecard/api-key.env").strip()
    workers = [place(pool, name) for name in pool.names]
    words = ["--host", "127.0.0.1", "--port", str(PORT), "--policy", "cache_aware"]
    running = subprocess.Popen(
        [program, *words, "--worker-urls", *workers], stdout=subprocess.DEVNULL, stderr=sys.stderr
    )
    try:
        url = f"http://127.0.0.1:{PORT}"
        deadline = time.monotonic() + WAIT_S
        while not answers(f"{url}/health"):
            if running.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("routers: vLLM's router did not start")
            time.sleep(0.2)
        yield Way("vllm-router, cache_aware", f"{url}/v1", Secret(key))
    finally:
        running.terminate()
        running.wait(20)


def answers(url: str) -> bool:
    """Return whether there is a good answer at an address."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


if __name__ == "__main__":
    raise SystemExit(main())
