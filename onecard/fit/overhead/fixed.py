"""Memory outside PyTorch's allocator, and what cards need to exchange values.

Source: logged "non-torch memory": 0.07 to 0.14 GiB on one data-centre card, 0.55 on two H100
(config_explorer/empirical-vllm-memory-results.md of llm-d/llm-d-benchmark, vLLM 0.10 to 0.16),
0.26 in 0.31, 0.95 on four B200. Of it: kernels' code, cuBLAS and FlashInfer workspaces
(FLASHINFER_WORKSPACE_BUFFER_SIZE, 394 MiB), NCCL's channels, and the buffers of custom and
symmetric-memory all-reduce (distributed/device_communicators/). On a GB10 the card's memory is the
system's, so what else grows meanwhile counts too: 2.3 GiB more than on other cards in a start of
0.11.0, 5.72 GiB in one of several cards.
"""

from __future__ import annotations

from onecard.fit.overhead.part import NOTHING, GibRange

_ONE_CARD = GibRange(0.14, 0.03, 0.35)
_BLACKWELL = GibRange(0.35, 0.05, 0.85)  # compute capability 10 and later: FlashInfer's kernels
_SHARED = GibRange(2.0, 0.05, 6.0)  # compute capability 12.1: memory shared with the system
_TWO_CARDS = GibRange(0.42, 0.0, 0.75)
_EACH_MORE = GibRange(0.05, 0.0, 0.25)


def non_torch_gib(compute_capability: str) -> GibRange:
    """Return the GiB that kernels and libraries allocate in the profiling run."""
    if compute_capability == "12.1":
        return _SHARED
    major = compute_capability.partition(".")[0]
    return _BLACKWELL if major.isdigit() and int(major) >= 10 else _ONE_CARD


def communication_gib(tp: int, pp: int) -> GibRange:
    """Return the GiB of communication buffers on each card."""
    cards = tp * pp
    return NOTHING if cards == 1 else _TWO_CARDS + _EACH_MORE * (cards - 2)
