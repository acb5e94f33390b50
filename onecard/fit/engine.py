"""What changed between vLLM releases in how the KV cache is counted.

Read in the wheels of 0.17.0, 0.20.0 to 0.20.2, 0.22.0, 0.25.1, 0.26.0, 0.28.0, 0.29.0 and 0.33.0
(v1/core/kv_cache_utils.py, v1/core/kv_cache_planning.py, v1/kv_cache_interface.py,
config/model.py) and, for 0.25.1 and 0.32.0, checked against logs of real starts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Engine:
    """The rules of one generation of vLLM.

    state_blocks: blocks that a request takes in each group of Gated DeltaNet layers. 2 in mamba
        cache mode `align`, which prefix caching brings (on by default for such models from 0.26).
    batches_in_flight: batches of max_num_batched_tokens that a sliding-window layer must hold
        beside its window (from 0.26: two, with asynchronous scheduling).
    counts_graphs: the memory of CUDA graphs is estimated and set aside before the KV cache is
        sized (from 0.21).
    logs_share: the logged `KV cache size` is the blocks shared out over the groups (to 0.20.0),
        and not the concurrency times the context length.
    """

    name: str
    state_blocks: int = 1
    batches_in_flight: int = 1
    counts_graphs: bool = True
    logs_share: bool = False


VLLM_0_17 = Engine("vLLM up to 0.20.0", counts_graphs=False, logs_share=True)
VLLM_0_20 = Engine("vLLM 0.20.1 and 0.20.2", counts_graphs=False)
VLLM_0_21 = Engine("vLLM 0.21 to 0.25")
VLLM_0_26 = Engine("vLLM 0.26 and later", state_blocks=2, batches_in_flight=2)


def engine_for(version: str) -> Engine:
    """The rules of a release such as `0.25.1` or `0.34.0.dev12+g1234`; of the newest when the
    version is empty or not a number."""
    release = release_of(version)
    if release is None:
        return VLLM_0_26
    if release < (0, 20, 1):
        return VLLM_0_17
    if release < (0, 21):
        return VLLM_0_20
    return VLLM_0_21 if release < (0, 26) else VLLM_0_26


def release_of(version: str) -> tuple[int, ...] | None:
    """The three numbers of a version such as `0.33.0` or `0.34.0.dev12+g1234`; None without."""
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(part or 0) for part in match.groups()) if match else None
