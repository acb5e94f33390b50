"""One row of the scoreboard: predicted against logged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from onecard.fit.catalogue.gpu import Gpu
from onecard.fit.catalogue.read import find_gpu, find_model
from onecard.fit.engine import engine_for
from onecard.fit.plan import Plan
from onecard.fit.planning import plan
from onecard.fit.scoreboard.rows import KnownStart
from onecard.fit.shape.model_shape import ModelShape

# A logged amount has two decimals.
_ROUNDING_GIB = 0.005
_BAND_ROUNDING_GIB = 0.01


@dataclass(frozen=True)
class CheckedStart:
    """A row, what was planned from its flags, and with the KV memory that it logged.

    exact: the planned start with the logged KV memory; None where none was logged.
    """

    row: KnownStart
    planned: Plan
    exact: Plan | None

    @property
    def kv_gib(self) -> float | None:
        """Return the logged KV memory, or the least that holds the logged blocks or tokens."""
        logged = self.row.logged
        if logged.kv_gib is not None:
            return logged.kv_gib
        blocks = logged.blocks
        if blocks is None and logged.tokens is not None:
            blocks = logged.tokens // self.planned.block_tokens
        return None if blocks is None else blocks * self.planned.layout.block_bytes / 2**30

    @property
    def band_holds(self) -> bool | None:
        """Return whether the logged KV memory lies within the band; None where unknown."""
        found = self.kv_gib
        if found is None or self.row.checkable == "tokens":
            return None
        low, high = self.planned.kv_low_gib, self.planned.kv_high_gib
        return low - _BAND_ROUNDING_GIB <= found <= high + _BAND_ROUNDING_GIB

    @property
    def sure_and_wrong(self) -> bool:
        """Return whether the start was called sure, and failed or held less than its context."""
        if self.row.checkable == "tokens" or not self.planned.surely_fits:
            return False
        held = self.exact is None or self.exact.fits
        return not (self.row.logged.started and held)

    @property
    def token_error(self) -> float | None:
        """Return by what share the tokens of the logged KV memory miss the logged figure.

        0.0 where they agree within the rounding of the logged memory; None where either is unknown.
        """
        logged = self.row.logged
        if logged.kv_gib is None or logged.tokens is None or self.row.checkable == "memory":
            return None
        ends = [
            _tokens(_planned(self.row, logged.kv_gib + by))
            for by in (-_ROUNDING_GIB, _ROUNDING_GIB)
        ]
        low, high = min(ends), max(ends)
        missed = max(low - logged.tokens, logged.tokens - high, 0)
        return missed / logged.tokens

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain values."""
        row, planned = self.row, self.planned
        error = self.token_error
        return {
            "model": row.model,
            "config": row.config,
            "card": row.card,
            "cards": row.tp * row.pp,
            "vllm": row.vllm,
            "flags": row.flags,
            "kv_gib": round(planned.kv_available_gib, 2),
            "kv_band_gib": [round(planned.kv_low_gib, 2), round(planned.kv_high_gib, 2)],
            "logged_kv_gib": None if self.kv_gib is None else round(self.kv_gib, 2),
            "band_holds": self.band_holds,
            "surely_fits": planned.surely_fits,
            "started": row.logged.started,
            "tokens": None if self.exact is None else _tokens(self.exact),
            "logged_tokens": row.logged.tokens,
            "token_error": None if error is None else round(error, 5),
            "weights_gib": round(planned.weights_gib, 2),
            "logged_weights_gib": row.logged.weights_gib,
            "checkable": row.checkable,
            "note": row.note,
            "source": row.source,
        }


def check(row: KnownStart) -> CheckedStart:
    """Plan a row's start.

    Raises UsageError for a model or card that is not in the catalogue.
    """
    known = row.logged.kv_gib
    return CheckedStart(
        row,
        _planned(row, None),
        None if known is None else _planned(row, known),
    )


def _planned(row: KnownStart, kv_gib: float | None) -> Plan:
    engine = engine_for(row.vllm)
    return plan(
        _shape(row),
        _card(row),
        row.ctx,
        util=row.util or engine.default_util,
        kv_dtype=row.kv_cache_dtype,
        tp=row.tp,
        pp=row.pp,
        kv_gib=kv_gib,
        max_num_seqs=row.max_num_seqs or _card(row).default_max_num_seqs,
        max_num_batched_tokens=row.max_num_batched_tokens,
        model=row.model,
        engine=engine,
        draft_tokens=row.draft_tokens,
        vision=not row.language_model_only,
        graphs=not row.enforce_eager,
        whole_experts=row.expert_parallel,
        prefix_caching=row.prefix_caching,
        block_size=row.block_size,
    )


def _shape(row: KnownStart) -> ModelShape:
    shape = find_model(row.model).shape
    if row.picture_tokens is None or shape.vision is None:
        return shape
    return replace(shape, vision=replace(shape.vision, tokens=row.picture_tokens))


def _card(row: KnownStart) -> Gpu:
    card = find_gpu(row.card)
    return card if row.usable_gib is None else replace(card, usable_gib=row.usable_gib)


def _tokens(planned: Plan) -> int:
    return planned.old_logged_tokens if planned.engine.logs_share else planned.logged_tokens
