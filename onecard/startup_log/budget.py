"""Where the seconds of a start go, and what would shorten it.

Pure: the seconds of its phases and what its log reported, as a record holds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from onecard.startup_log.phase import Phase

NOT_LOGGED: Final = "not logged"
WHAT: Final = {
    Phase.PROCESS.title: "Python, torch and vLLM are imported",
    Phase.CONFIG.title: "model and flags are read; the engine is started",
    Phase.DOWNLOAD.title: "weights come from the hub",
    Phase.WEIGHTS.title: "weights are read from the disk",
    Phase.COMPILE.title: "torch.compile",
    Phase.PROFILE.title: "a full batch is run; kernels are compiled",
    Phase.KV_CACHE.title: "memory is set aside; kernels are warmed up",
    Phase.GRAPHS.title: "CUDA graphs are captured",
    Phase.API.title: "tokenizer, picture processor, routes",
    Phase.ANSWER.title: "warm-up: the first picture question",
    NOT_LOGGED: "before the log's first line",
}
_SHORT: Final = 0.1  # of the whole start: less is not worth a word
_TICK_S: Final = 0.05


@dataclass(frozen=True)
class BudgetPart:
    """A part of a start. what: what happens in it."""

    phase: str
    seconds: float
    what: str


@dataclass(frozen=True)
class BudgetSaving:
    """A part of a start that could be shorter. how: what shortens it."""

    part: str
    seconds: float
    how: str


def budget(phases: Mapping[str, float], total_s: float | None) -> tuple[BudgetPart, ...]:
    """Return the parts of a start, which together are all of its seconds.

    phases: seconds by title, in order. total_s: to the first answer, None where it is unknown. It
    is the box's; the phases' clock is the caller's, which begins before the service is started.
    """
    named = dict(phases)
    rest = (total_s or 0.0) - sum(named.values())
    if total_s and named and rest < 0:
        first = next(iter(named))
        named[first] = max(0.0, named[first] + rest)
    if rest >= _TICK_S:
        named[NOT_LOGGED] = rest
    return tuple(BudgetPart(name, took, WHAT.get(name, "")) for name, took in named.items())


def savings(phases: Mapping[str, float], facts: Mapping[str, Any]) -> tuple[BudgetSaving, ...]:
    """Return what would shorten the parts of a start that are worth it.

    facts: of the log, under the names of MemoryFacts.
    """
    return tuple(_savings(phases, facts))


def _savings(phases: Mapping[str, float], facts: Mapping[str, Any]) -> Iterator[BudgetSaving]:
    total = sum(phases.values())

    def took(*parts: Phase) -> float:
        """Return the seconds of some phases together; 0 where they are a small part."""
        seconds = sum(phases.get(part.title) or 0.0 for part in parts)
        return seconds if seconds >= _SHORT * total else 0.0

    compiled = took(Phase.COMPILE, Phase.PROFILE)
    if compiled and facts.get("eager") is not True and not facts.get("compile_cached"):
        yield BudgetSaving(
            "compile and profiling",
            compiled,
            "the next start with the same model, flags and build finds what was compiled in the "
            "box's caches; invoke provision --warm fills them ahead",
        )
    if weights := took(Phase.WEIGHTS):
        gib = facts.get("weights_gib")
        speed = f": {gib:.1f} GiB came at {gib / weights:.1f} GiB/s" if gib else ""
        yield BudgetSaving("weights", weights, f"a faster disk{speed}")
    if graphs := took(Phase.GRAPHS):
        how = (
            "--max-num-seqs below 256 captures fewer; --enforce-eager none, and answers are slower"
        )
        yield BudgetSaving("CUDA graphs", graphs, how)
    if download := took(Phase.DOWNLOAD):
        yield BudgetSaving("download", download, "invoke provision stores the files ahead")
    if imports := took(Phase.PROCESS, Phase.CONFIG):
        how = "byte code is cached from the first start on; beyond that only faster cores help"
        yield BudgetSaving("imports and configuration", imports, how)
