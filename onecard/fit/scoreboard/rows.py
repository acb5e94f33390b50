"""The rows of scoreboard.yml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import yaml

from onecard.errors import UsageError

FILE: Final = Path(__file__).with_name("scoreboard.yml")


@dataclass(frozen=True)
class LoggedStart:
    """What the server logged; None where its log or report does not state it.

    kv_gib: "Available KV cache memory" of one card. tokens: "GPU KV cache size". blocks: also from
        "exceeds available Mamba cache blocks". max_ctx: "the estimated maximum model length".
    started: False where the start failed for lack of memory.
    """

    kv_gib: float | None = None
    tokens: int | None = None
    concurrency: float | None = None
    blocks: int | None = None
    max_ctx: int | None = None
    weights_gib: float | None = None
    graphs_gib: float | None = None
    started: bool = True


@dataclass(frozen=True)
class KnownStart:
    """One start: the model, the card, vLLM's release and flags, and what was logged.

    config: digits of the catalogue's config (`KnownModel.digest`) that the row was checked with.
    usable_gib: the card's total as CUDA reports it, where it is logged.
    picture_tokens: tokens of the largest picture, where the processor is not the model's own.
    checkable: "tokens" where flags that decide the memory are not known: then only the figures
        that follow from the logged KV memory are checked; "memory" where those are of another card.
    """

    model: str
    card: str
    vllm: str
    ctx: int
    logged: LoggedStart
    source: str
    config: str = ""
    usable_gib: float | None = None
    tp: int = 1
    pp: int = 1
    util: float | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    kv_cache_dtype: str = "auto"
    block_size: int | None = None
    prefix_caching: bool | None = None
    enforce_eager: bool = False
    expert_parallel: bool = False
    language_model_only: bool = False
    picture_tokens: int | None = None
    draft_tokens: int = 0
    checkable: str = "all"
    note: str = ""

    @property
    def flags(self) -> str:
        """Return the flags that differ from vLLM's own, as on its command line."""
        named = {
            "--tensor-parallel-size": self.tp if self.tp > 1 else None,
            "--pipeline-parallel-size": self.pp if self.pp > 1 else None,
            "--gpu-memory-utilization": self.util,
            "--max-model-len": self.ctx,
            "--max-num-seqs": self.max_num_seqs,
            "--max-num-batched-tokens": self.max_num_batched_tokens,
            "--kv-cache-dtype": None if self.kv_cache_dtype == "auto" else self.kv_cache_dtype,
            "--block-size": self.block_size,
        }
        plain = {
            "--enable-prefix-caching": self.prefix_caching,
            "--enforce-eager": self.enforce_eager,
            "--enable-expert-parallel": self.expert_parallel,
            "--language-model-only": self.language_model_only,
        }
        words = [f"{name} {value}" for name, value in named.items() if value is not None]
        return " ".join([*words, *[name for name, given in plain.items() if given]])


def read_rows(file: Path = FILE) -> tuple[KnownStart, ...]:
    """Return the rows of a scoreboard file.

    Raises UsageError, naming the row, for one with a missing or unknown key.
    """
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        listed = found["rows"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UsageError(f"{file}: no scoreboard: {type(error).__name__}") from error
    return tuple(_row(file, at, entry) for at, entry in enumerate(listed, 1))


def _row(file: Path, at: int, entry: Mapping[str, Any]) -> KnownStart:
    where = f"{file}: row {at}"
    values = dict(entry)
    _known(where, KnownStart, values)
    logged = values.get("logged") or {}
    _known(f"{where}, logged", LoggedStart, logged)
    try:
        return KnownStart(
            **{**values, "vllm": str(values.get("vllm", "")), "logged": LoggedStart(**logged)}
        )
    except TypeError as error:
        raise UsageError(f"{where}: {str(error).partition('() ')[2]}") from error


def _known(where: str, kind: type[KnownStart | LoggedStart], values: Mapping[str, Any]) -> None:
    names = {each.name for each in fields(kind)}
    if unknown := sorted(set(values) - names):
        raise UsageError(
            f"{where}: unknown key {unknown[0]}: use one of {', '.join(sorted(names))}"
        )
