"""Which settings are tried on a box, and which are left out, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from onecard.fit import find_preset
from onecard.fit.on_host import Settled

_FULL: Final = 0.8  # of the KV cache in use at most: below it, more of it changes nothing
_BATCHES: Final = (2048, 8192, 16384)  # vLLM's defaults, by card and version, and the next power
_FP8: Final = (8, 9)  # compute capability with FP8 of its own
_MORE_MEMORY: Final = 0.04
_MOST_MEMORY: Final = 0.96
_GRAPHS: Final = "--max-cudagraph-capture-size"
_DEFAULT_GRAPHS: Final = 512  # vLLM's largest size unless set (config/vllm.py)


@dataclass(frozen=True)
class Candidate:
    """Settings below `serve` that are tried together. option: the name of what they change.

    for_more_cache: they only make room for more KV cache.
    """

    option: str
    values: Mapping[str, object]
    for_more_cache: bool = False

    @property
    def title(self) -> str:
        """Return `max_num_seqs 16`."""
        name, value = next(iter(self.values.items()))
        if value is None or isinstance(value, bool):
            return f"{name} {'on' if value else 'off'}"
        return f"{name} {' '.join(value[-2:]) if isinstance(value, tuple) else value}"


@dataclass(frozen=True)
class LeftOut:
    """An option, or a value of one, that is not tried."""

    option: str
    reason: str


Choice = Sequence[Candidate] | str


def candidates(
    settled: Settled, concurrency: int, only: Sequence[str] = ()
) -> tuple[tuple[Candidate, ...], tuple[LeftOut, ...]]:
    """Return what is tried, in its order, and what is left out.

    settled: the host with what its release has. concurrency: requests at once of the load.
    only: the options to try; none for all.
    """
    tried: list[Candidate] = []
    left_out: list[LeftOut] = []
    for option, choose in OPTIONS.items():
        if only and option not in only:
            continue
        found = choose(settled, concurrency)
        if isinstance(found, str):
            left_out.append(LeftOut(option, found))
        else:
            tried += found
    return tuple(tried), tuple(left_out)


def is_full(kv_use: float | None, preemptions: float | None) -> bool:
    """Return whether more KV cache could help: unless the server reported that much was free."""
    return kv_use is None or kv_use >= _FULL or bool(preemptions)


def _enough(concurrency: int) -> int:
    """Return the smallest power of two that holds all requests of the load."""
    return 1 << (concurrency - 1).bit_length()


def _max_num_seqs(settled: Settled, concurrency: int) -> Choice:
    """As many as the load has at once, and half: then some wait, and the others decode faster."""
    planned = settled.planned
    now = settled.host.settings.serve.max_num_seqs or (planned.max_num_seqs if planned else None)
    enough = _enough(concurrency)
    values = [each for each in (enough, enough // 2) if each and each != now]
    if not values:
        return f"{now} is what a request at a time needs"
    return [Candidate("max_num_seqs", {"max_num_seqs": each}) for each in values]


def _max_num_batched_tokens(settled: Settled, concurrency: int) -> Choice:
    """Smaller steps interrupt decoding for a shorter time, larger ones prefill faster."""
    serve, planned = settled.host.settings.serve, settled.planned
    now = serve.max_num_batched_tokens or (planned.max_num_batched_tokens if planned else None)
    # vLLM starts with no fewer tokens in a step than requests (config/scheduler.py).
    least = serve.max_num_seqs or (planned.max_num_seqs if planned else 1)
    return [
        Candidate("max_num_batched_tokens", {"max_num_batched_tokens": each})
        for each in _BATCHES
        if each != now and each >= least
    ]


def _kv_cache_dtype(settled: Settled, concurrency: int) -> Choice:
    if _has_no_card(settled):
        return "FP8 needs a card, and this server runs on the CPU"
    now = settled.host.settings.serve.kv_cache_dtype
    if now != "auto":
        return [Candidate("kv_cache_dtype", {"kv_cache_dtype": "auto"})]
    capability = next((gpu.capability for gpu in settled.facts.gpus if gpu.capability), "0.0")
    if tuple(map(int, capability.split("."))) < _FP8:
        return f"compute capability {capability} has no FP8; 8.9 has"
    return [Candidate("kv_cache_dtype", {"kv_cache_dtype": "fp8"})]


def _gpu_memory_utilization(settled: Settled, concurrency: int) -> Choice:
    serve = settled.host.settings.serve
    if _has_no_card(settled):
        return "this server runs on the CPU"
    if serve.kv_cache_gib is not None:
        return "serve.kv_cache_gib sets the size of the KV cache"
    most = min(_MOST_MEMORY, settled.planned.gpu.largest_util if settled.planned else 1.0)
    value = round(min(serve.gpu_memory_utilization + _MORE_MEMORY, most), 2)
    if value <= serve.gpu_memory_utilization:
        return f"{serve.gpu_memory_utilization:g} leaves no more"
    return [Candidate("gpu_memory_utilization", {"gpu_memory_utilization": value}, True)]


def _cuda_graphs(settled: Settled, concurrency: int) -> Choice:
    serve = settled.host.settings.serve
    if _has_no_card(settled):
        return "there are none on a CPU"
    if serve.enforce_eager:
        return [Candidate("cuda_graphs", {"enforce_eager": False})]
    if any("cudagraph" in word.replace("_", "") for word in serve.extra_args):
        return "serve.extra_args sets their sizes"
    if serve.speculative_config is not None:
        return "their sizes follow from the drafted tokens"
    largest = _enough(concurrency)
    words = (*serve.extra_args, _GRAPHS, str(largest))
    return [Candidate("cuda_graphs", {"extra_args": words}, largest <= _DEFAULT_GRAPHS)]


def _speculative_config(settled: Settled, concurrency: int) -> Choice:
    settings = settled.host.settings
    if settings.serve.speculative_config is not None:
        return [Candidate("speculative_config", {"speculative_config": None})]
    if "mtp" not in (find_preset(settings.model.source) or {}):
        return f"vLLM's recipe names none (MTP) for {settings.model.source}"
    return [Candidate("speculative_config", {"speculative_config": "auto"})]


def _has_no_card(settled: Settled) -> bool:
    return settled.host.settings.accelerator == "cpu"


OPTIONS: Final[Mapping[str, Callable[[Settled, int], Choice]]] = {
    "max_num_seqs": _max_num_seqs,
    "max_num_batched_tokens": _max_num_batched_tokens,
    "kv_cache_dtype": _kv_cache_dtype,
    "gpu_memory_utilization": _gpu_memory_utilization,
    "cuda_graphs": _cuda_graphs,
    "speculative_config": _speculative_config,
}
