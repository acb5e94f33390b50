"""A plan beside what vLLM logged when it started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onecard.fit.plan import Plan


@dataclass(frozen=True)
class Row:
    """One figure as planned and as logged. `difference` is logged minus planned, in `unit`."""

    figure: str
    unit: str
    planned: float
    logged: float

    @property
    def difference(self) -> float:
        """Return logged minus planned."""
        return self.logged - self.planned


# Key in `measured`, the figure's name, its unit.
_FIGURES = (
    ("weights_gib", "weights", "GiB"),
    ("kv_available_gib", "KV memory", "GiB"),
    ("graphs_gib", "CUDA graphs", "GiB"),
    ("block_tokens", "block", "tokens"),
    ("blocks", "blocks", ""),
    ("tokens", "KV cache size", "tokens"),
    ("concurrency", "concurrency", "x"),
)


def compare(plan: Plan, measured: Mapping[str, float]) -> tuple[Row, ...]:
    """Return one row for each figure that was logged.

    measured: any of weights_gib, kv_available_gib, graphs_gib, block_tokens, blocks, tokens (the
        logged KV cache size) and concurrency; other keys are ignored.
    """
    planned: dict[str, float] = {
        "weights_gib": plan.weights_gib,
        "kv_available_gib": plan.kv_available_gib,
        "graphs_gib": plan.overhead.graphs,
        "block_tokens": plan.block_tokens,
        "blocks": plan.blocks,
        "tokens": plan.old_logged_tokens if plan.engine.logs_share else plan.logged_tokens,
        "concurrency": plan.concurrency,
    }
    return tuple(
        Row(name, unit, planned[key], measured[key])
        for key, name, unit in _FIGURES
        if key in measured
    )
