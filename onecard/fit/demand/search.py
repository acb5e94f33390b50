"""What it takes to serve N requests of L tokens at once: the smallest cards and flags that do."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from onecard.errors import UsageError
from onecard.facts.versions import version_key
from onecard.fit.catalogue.gpu import Gpu
from onecard.fit.plan import Plan
from onecard.fit.server import Server
from onecard.fit.shape.model_shape import GIB, LINEAR
from onecard.settings.serve_settings import ServeSettings
from onecard.settings.token_count import EXPECTED, token_count

CARD_COUNTS: Final = (1, 2, 4, 8)
UTILISATIONS: Final = (0.90, 0.95)
_GIVEN: Final = (
    "max_num_batched_tokens",
    "enforce_eager",
    "enable_prefix_caching",
    "speculative_config",
    "limit_mm_per_prompt",
    "extra_args",
)
# Below this compute capability Triton has no such type, and vLLM's Triton backend refuses the cache
# (vllm-project/vllm pull request 50882).
_FP8_CACHE: Final = (8, 9)


@dataclass(frozen=True)
class Demand:
    """requests of `tokens` tokens each, prompt plus output, that run at once."""

    requests: int
    tokens: int


def parse_demand(text: str) -> Demand:
    """Read `4 x 65536` or `4x64k`. Raises UsageError in one line."""
    found = re.fullmatch(r"\s*([0-9]{1,6})\s*[xX×]\s*(\S+)\s*", text)
    requests = int(found[1]) if found else 0
    if not found or not requests:
        raise UsageError(f'--for: "{text}" is not N x L, requests x tokens, such as "4 x 64k"')
    try:
        return Demand(requests, token_count(found[2]))
    except ValueError:
        raise UsageError(f'--for: in "{text}", "{found[2]}" is not {EXPECTED}') from None


@dataclass(frozen=True)
class Choice:
    """Cards of one kind, and the flags with which they serve the demand.

    at_once: requests that run at once at the low end of the estimate.
    given: further flags of `invoke deploy` that it was planned with.
    """

    plan: Plan
    kv_dtype: str
    at_once: float
    given: tuple[str, ...] = ()

    @property
    def memory_gib(self) -> float:
        """Return the memory of all its cards, as nvidia-smi shows it."""
        return self.plan.tp * self.plan.gpu.memory_mib / 1024

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the flags of `invoke deploy` that differ from its defaults."""
        plan = self.plan
        flags = [f"--ctx {plan.ctx}", f"--max-num-seqs {plan.max_num_seqs}"]
        if plan.util != UTILISATIONS[0]:
            flags.append(f"--gpu-memory-utilization {plan.util:g}")
        if self.kv_dtype != "auto":
            flags.append(f"--kv-cache-dtype {self.kv_dtype}")
        if plan.tp > 1:
            flags.append(f"--tensor-parallel {plan.tp}")
        return (*flags, *self.given)

    def to_json(self) -> dict[str, Any]:
        """Return the choice as plain values, for --json."""
        plan = self.plan
        return {
            "gpu": plan.gpu.name,
            "cards": plan.tp,
            "memory_gib": round(self.memory_gib, 2),
            "util": plan.util,
            "kv_dtype": self.kv_dtype,
            "tensor_parallel": plan.tp,
            "max_num_seqs": plan.max_num_seqs,
            "weights_gib": round(plan.weights_gib, 2),
            "kv_available_gib": round(plan.kv_available_gib, 2),
            "at_once": round(self.at_once, 2),
            "surely_fits": plan.surely_fits,
            "flags": " ".join(self.flags),
        }


def choices(
    server: Server,
    demand: Demand,
    cards: Iterable[Gpu],
    *,
    counts: Sequence[int] = CARD_COUNTS,
    utils: Sequence[float] = UTILISATIONS,
    kv_dtypes: Sequence[str] = ("auto", "fp8"),
) -> tuple[Choice, ...]:
    """Return for each card the fewest that serve the demand, least memory first.

    Of the flags the mildest ones: a larger share of the card before a smaller KV cache number.
    Raises NotModelledError for a model or a setting that is not modelled.
    """
    configured = server.with_settings(
        ctx=demand.tokens, max_num_seqs=server.serve.max_num_seqs or demand.requests
    )
    found: list[Choice] = []
    for card in cards:
        tried = _tries(configured, card, counts, utils, kv_dtypes)
        served = list(_serving(tried, demand))[:1]
        found.extend(replace(choice, given=_given(server)) for choice in served)
    return tuple(sorted(found, key=lambda choice: (choice.memory_gib, choice.plan.tp)))


def _tries(
    server: Server,
    card: Gpu,
    counts: Sequence[int],
    utils: Sequence[float],
    kv_dtypes: Sequence[str],
) -> Iterator[tuple[Plan, str]]:
    """Yield the plan of each combination of cards and flags, mildest first."""
    allowed = [util for util in utils if util <= card.largest_util] or [card.largest_util]
    for count in (count for count in counts if count <= card.most_in_a_box):
        for kv_dtype in kv_dtypes:
            if kv_dtype.startswith("fp8") and not _reads_fp8(card):
                continue
            for util in allowed:
                tried = server.with_settings(
                    tensor_parallel=count, kv_cache_dtype=kv_dtype, gpu_memory_utilization=util
                )
                try:
                    yield tried.on(card), kv_dtype
                except UsageError:  # this many cards do not divide the model
                    continue


def _serving(tries: Iterable[tuple[Plan, str]], demand: Demand) -> Iterator[Choice]:
    """Yield those that hold the demand even at the low end of their estimate."""
    for plan, kv_dtype in tries:
        blocks = plan.layout.blocks(int(plan.kv_low_gib * GIB)) - 1  # one is the pool's own
        at_once = min(blocks / plan.request_blocks, plan.max_num_seqs)
        # A hybrid model needs a block for each of max_num_seqs when it starts (planning.py).
        starts = blocks >= plan.max_num_seqs or not plan.shape.count(LINEAR)
        if plan.fits and starts and at_once >= demand.requests:
            yield Choice(plan, kv_dtype, blocks / plan.request_blocks)


def _given(server: Server) -> tuple[str, ...]:
    """Return the settings beside those that the search chooses, as flags of `invoke deploy`."""
    usual = ServeSettings()
    flags = [f"--quantization {server.quant}"] if server.quant else []
    for name in _GIVEN:
        value = getattr(server.serve, name)
        if value == getattr(usual, name):
            continue
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            text = str(value) if isinstance(value, int) else json.dumps(value)
            flags.append(f"--{flag} {shlex.quote(text)}")
    return tuple(flags)


def _reads_fp8(card: Gpu) -> bool:
    capability = version_key(card.compute_capability)
    return not capability or capability >= _FP8_CACHE
