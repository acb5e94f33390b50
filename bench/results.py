"""The benchmark's figures as a page in Markdown."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

from bench.contenders import PYINFRA

_ONECARD = "invoke provision"


def page(document: Mapping[str, Any]) -> str:
    """Return the tables of one run of the benchmark, with what they were measured on."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    now = datetime.now(timezone.utc)
    before, after = document["load"]
    words = " ".join(["bench/run.py", *_without_files(sys.argv[1:])])
    yield from ("# Results", "", f"`python {words}`, {now:%Y-%m-%d %H:%M} UTC.", "")
    yield (
        f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}; load "
        f"{before} before, {after} after. {_versions()}."
    )
    yield from ("", f"Medians of {document['repeats']} interleaved runs, in seconds, and their")
    yield from ("least and most. Written by this command; do not edit.", "")
    yield from ("## A run without changes", "")
    delay = f"{2 * document['delay_ms']:g} ms"
    yield from _route(document["rows"], "direct", "next to the box")
    yield from _route(document["rows"], "slow", f"behind {delay}")
    yield from ("## Commands without a box", "", "| | median | least to most | x import |")
    yield "|---|--:|--:|--:|"
    base = median(document["commands"][0]["seconds"])
    for row in document["commands"]:
        seconds = row["seconds"]
        yield f"| {row['name']} | {_spread(seconds)} | {median(seconds) / base:.2f} |"
    yield ""
    if "hosts" in document:
        yield from _hosts(document["hosts"])
        yield from _files(document["files"])
    if "first_runs" in document:
        yield from _first_runs(document["first_runs"])


def _without_files(words: Sequence[str]) -> list[str]:
    """Return the flags that decide what is measured."""
    pairs = zip(words, ["", *words], strict=False)
    files = ("--results", "--json")
    return [word for word, before in pairs if word not in files and before not in files]


def _route(rows: Sequence[Mapping[str, Any]], key: str, title: str) -> Iterator[str]:
    medians = {row["name"]: median(row[key]) for row in rows}
    own = medians[_ONECARD]
    yield f"| {title} | median | least to most | {_ONECARD} is x of it | round trips, own count |"
    yield "|---|--:|--:|--:|--:|"
    for row in rows:
        name, trips = row["name"], row["round_trips"]
        ratio = f"{own / medians[name]:.2f}"
        yield f"| {name} | {_spread(row[key])} | {ratio} | {'' if trips is None else trips} |"
    yield ""


def _hosts(found: Mapping[str, Mapping[int, Sequence[Mapping[str, Any]]]]) -> Iterator[str]:
    counts = list(next(iter(found.values())))
    runs = len(next(iter(next(iter(found.values())).values())))
    yield from (
        "## More hosts",
        "",
        f"Dry runs, medians of {runs}; all hosts are one box under several names.",
        "",
    )
    yield "| | " + " | ".join(f"{count} hosts, s" for count in counts) + " | most memory, MiB |"
    yield "|---|" + "--:|" * (len(counts) + 1)
    for name, by_count in found.items():
        cells = [f"{median(run['seconds'] for run in by_count[count]):.2f}" for count in counts]
        memory = max(run["memory_mib"] for runs in by_count.values() for run in runs)
        yield f"| {name} | {' | '.join(cells)} | {memory:.0f} |"
    yield ""


def _files(found: Mapping[int, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    yield from ("## More files on one host", "", "The engine alone, with its login.", "")
    yield from ("| files | median | least to most | round trips |", "|--:|--:|--:|--:|")
    for count, runs in found.items():
        trips = runs[0]["round_trips"]
        yield f"| {count} | {_spread([run['seconds'] for run in runs])} | {trips} |"


def _first_runs(found: Mapping[str, Sequence[float]]) -> Iterator[str]:
    yield from ("", "## A first run", "", "The peers' list on new boxes, a box for each run.", "")
    yield from ("| | median | least to most | x bash |", "|---|--:|--:|--:|")
    base = median(next(iter(found.values())))
    for name, seconds in found.items():
        yield f"| {name} | {_spread(seconds)} | {median(seconds) / base:.2f} |"


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.2f} | {min(seconds):.2f} to {max(seconds):.2f}"


def _versions() -> str:
    found = [f"Python {platform.python_version()}"]
    for name in ("invoke", "paramiko", "ansible-core"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    if PYINFRA.exists():
        found.append(_first_line([str(PYINFRA), "--version"]).replace("v", "", 1))
    found.append(_first_line(["ssh", "-V"]).partition(",")[0])
    return ", ".join(found)


def _first_line(command: Sequence[str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    return (done.stdout + done.stderr).strip().partition("\n")[0]
