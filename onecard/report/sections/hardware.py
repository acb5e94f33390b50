"""The table of hardware and software, and the commands that reproduce the setup."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from onecard.records import Run
from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import Block, Code, Column, Commands, Missing, Section, Table
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.sections import locks
from onecard.settings.settings import Settings


def section(evidence: Evidence) -> Section:
    """Return the table, or the command that measures it."""
    rows = tuple(rows_of(evidence))
    if not rows:
        nothing = Missing(
            "No run has recorded the box's hardware.", f"invoke smoke --host {evidence.host}"
        )
        return Section("hardware", "Hardware and software", (nothing,))
    table = Table(
        "hardware-table",
        "The box and what runs on it",
        (Column("component", "component"), Column("value", "value")),
        rows,
    )
    return Section("hardware", "Hardware and software", (table,))


def rows_of(evidence: Evidence) -> Iterator[tuple[str, object]]:
    """Yield (component, value) in the order of the table."""
    facts, server = evidence.facts, evidence.server
    software: Mapping[str, str] = facts.get("software") or {}
    memory = facts.get("memory_gib")
    lock = locks.newest(evidence)
    configured = _configured_model(evidence)
    cores = f"{facts['cpus']} × " if facts.get("cpus") else ""
    candidates: tuple[tuple[str, object], ...] = (
        ("GPU", gpu_words(facts)),
        ("driver", facts.get("driver")),
        ("CUDA of the driver", facts.get("cuda")),
        ("CPU", f"{cores}{facts['cpu']}" if facts.get("cpu") else cores.rstrip(" ×")),
        ("main memory", numbers.gib(memory) if memory else None),
        ("machine", facts.get("machine")),
        ("operating system", " ".join(filter(None, (facts.get("os"), facts.get("arch"))))),
        ("kernel", facts.get("kernel")),
        ("Python", facts.get("python")),
        ("vLLM", server.get("vllm") or software.get("vllm")),
        ("vLLM commit", lock.commit if lock else None),
        *((name, software.get(key)) for name, key in _LIBRARIES),
        ("attention backend", _attention(evidence)),
        ("model", server.get("model")),
        ("model revision", (lock.model_revision if lock else "") or configured.get("revision")),
        ("precision", _precision(evidence)),
        ("context", f"{server['ctx']:,} tokens" if server.get("ctx") else None),
    )
    for name, value in candidates:
        if value:
            yield name, Code(str(value)) if name in _EXACT else value


_LIBRARIES = (
    ("PyTorch", "torch"),
    ("torchvision", "torchvision"),
    ("Transformers", "transformers"),
)
_EXACT = {
    "driver", "kernel", "vLLM", "vLLM commit", "model", "model revision", "Python",
    *(name for name, _ in _LIBRARIES),
}  # fmt: skip


def gpu_words(facts: Event) -> str:
    """Return the GPUs in words: `NVIDIA A100-SXM4-80GB, 81,920 MiB`; equal ones are counted."""
    cards = [
        f"{gpu.get('name')}"
        + (f", {gpu['memory_mib']:,} MiB" if gpu.get("memory_mib") else "")
        + (f", compute capability {gpu['capability']}" if gpu.get("capability") else "")
        for gpu in facts.get("gpus") or ()
    ]
    counted = {card: cards.count(card) for card in cards}
    return "; ".join(f"{count} × {card}" if count > 1 else card for card, count in counted.items())


def _attention(evidence: Evidence) -> str:
    return str(_startup_log(evidence).get("attention_backend") or "")


def _startup_log(evidence: Evidence) -> Event:
    """Return the values that vLLM logged at the newest start."""
    return (evidence.start.event.get("memory") or {}) if evidence.start else {}


def _configured_model(evidence: Evidence) -> Event:
    noted = evidence.newest("begin")
    return ((noted[1].get("settings") or {}).get("model") or {}) if noted else {}


def _precision(evidence: Evidence) -> str:
    """Return the number formats: `bfloat16, weights fp8, KV cache fp8`."""
    logged, options = _startup_log(evidence), evidence.server.get("options") or {}
    computed, weights, cache = (
        str(logged.get(key) or options.get(key) or "")
        for key in ("dtype", "quantization", "kv-cache-dtype")
    )
    words = [computed if computed != "auto" else ""]
    words.append(f"weights {weights}" if weights else "")
    words.append(f"KV cache {cache}" if cache not in ("", "auto") else "")
    return ", ".join(filter(None, words))


def reproduction(evidence: Evidence) -> Section:
    """Return the commands that were typed, the host's settings, and vLLM's command line."""
    blocks: list[Block] = []
    typed = tuple(_typed(evidence))
    if typed:
        blocks.append(Commands("With onecard, on this computer:", typed))
    different = tuple(_yaml(_settings(evidence)))
    if different:
        blocks.append(
            Commands(f"The settings of {evidence.host} that are not the defaults:", different)
        )
    words = [str(word) for word in evidence.server.get("words") or ()]
    if words:
        blocks.append(Commands("What that runs on the box:", _wrapped(words)))
    if lock := locks.listing(evidence):
        blocks.append(lock)
    if not blocks:
        blocks.append(
            Missing("No deploy has been recorded.", f"invoke deploy --host {evidence.host}")
        )
    return Section("commands", "How to reproduce it", tuple(blocks))


def _typed(evidence: Evidence) -> Iterator[str]:
    """Yield the last command of each kind that succeeded, or is shown here, in working order."""
    last: dict[str, str] = {}
    shown = {id(run) for run in evidence.measured}
    for run in evidence.runs:
        if (run.status == "done" or id(run) in shown) and run.begin.get("command"):
            words = [str(word) for word in run.begin["command"] if word not in ("--json", "-j")]
            last[run.kind] = shlex.join(_with_host(words, run))
    for kind in ("provision", "deploy", "smoke", "scale", "stress", "bench"):
        if kind in last:
            yield last[kind]


def _with_host(words: list[str], run: Run) -> list[str]:
    """Return a command's words with --host added where it was pinned, or set by ONECARD_HOST."""
    if any(word.partition("=")[0] == "--host" or word.startswith("-h") for word in words):
        return words
    place = words.index(run.kind) + 1 if run.kind in words else len(words)
    return [*words[:place], "--host", run.host, *words[place:]]


def _wrapped(words: list[str]) -> tuple[str, ...]:
    """Return a command line with each flag on a line of its own."""
    lines: list[list[str]] = [[]]
    for word in words:
        if word.startswith("--") and lines[0]:
            lines.append([])
        lines[-1].append(word)
    texts = [shlex.join(line) for line in lines]
    return tuple(
        ("  " if place else "") + text + (" \\" if place < len(texts) - 1 else "")
        for place, text in enumerate(texts)
    )


def _settings(evidence: Evidence) -> Mapping[str, Any]:
    """Return the host's settings that differ from the defaults."""
    noted = evidence.newest("begin")
    settings = noted[1].get("settings") if noted else None
    if not isinstance(settings, Mapping):
        return {}
    return _difference(settings, Settings().model_dump(mode="json", by_alias=True))


def _difference(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in settings.items():
        default = defaults.get(key)
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            if inner := _difference(value, default):
                found[key] = inner
        elif value != default:
            found[key] = value
    return found


def _yaml(settings: Mapping[str, Any]) -> list[str]:
    return yaml.safe_dump(dict(settings), sort_keys=False).splitlines() if settings else []
