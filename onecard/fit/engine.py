"""What changed between vLLM releases in how memory is counted.

Read in the wheels of 0.11.0, 0.13.0, 0.17.0, 0.19.1, 0.20.0 to 0.20.2, 0.22.0, 0.25.1, 0.26.0,
0.28.0, 0.29.0 and 0.33.0 (v1/core/kv_cache_utils.py, v1/core/kv_cache_planning.py,
v1/kv_cache_interface.py, v1/sample/ops/topk_topp_sampler.py, config/cache.py) and checked against
the logs of scoreboard.yml.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Engine:
    """The rules of one generation of vLLM.

    state_blocks: blocks that a request takes in each group of recurrent layers. 2 in mamba cache
        mode `align`, which prefix caching brings (on by default for such models from 0.26).
    batches_in_flight: batches of max_num_batched_tokens that a sliding-window layer must hold
        beside its window (from 0.26: two, with asynchronous scheduling).
    counts_graphs: the memory of CUDA graphs is estimated and set aside before the KV cache is
        sized (from 0.21).
    logs_share: the logged `KV cache size` is the blocks shared out over the groups (to 0.20.0),
        not the concurrency times the context length.
    logit_bytes: least, likely and most bytes of one logit while all sequences are sampled. With
        FlashInfer's or the Triton kernel, values and probabilities; sorted by PyTorch, sorted
        values, their 64-bit places and working copies of both as well (0.11.1 to 0.16, and
        earlier without FlashInfer). The second model runner, by model from 0.26 on and for all by
        0.33, profiles every option of a request at once (v1/worker/gpu/, `_dummy_sampler_run`).
    default_util: --gpu-memory-utilization where it is not given.
    longest_video: tokens of the video that the encoder of Qwen3-VL is profiled with, however short
        the context is ("a budget of 153600 tokens" in 0.11.0); 0 where a picture is longer.
    pads_encoder_outputs: each picture's output takes the whole budget in the profiling run.
    largest_batch: the default of --max-num-batched-tokens on a card of 160 GiB and more.
    batch_holds_item: that default is raised to the largest picture or video of a model that does
        not split them between steps (Gemma 4; read in 0.22.0, not in 0.20.1).
    """

    name: str
    state_blocks: int = 1
    batches_in_flight: int = 1
    counts_graphs: bool = True
    logs_share: bool = False
    logit_bytes: tuple[float, float, float] = (13.0, 15.0, 20.0)
    default_util: float = 0.92
    longest_video: int = 0
    pads_encoder_outputs: bool = False
    largest_batch: int = 8192
    batch_holds_item: bool = True


_EITHER_SAMPLER = (13.0, 38.5, 40.0)
_SORTS = (36.0, 38.5, 40.5)
_TRITON = (13.0, 16.0, 20.0)
_EITHER_RUNNER = (13.0, 38.5, 45.0)

VLLM_0_11 = Engine(
    "vLLM up to 0.11.0",
    counts_graphs=False,
    logs_share=True,
    logit_bytes=_EITHER_SAMPLER,
    default_util=0.90,
    longest_video=153_600,
    pads_encoder_outputs=True,
    batch_holds_item=False,
)
VLLM_0_12 = replace(
    VLLM_0_11,
    name="vLLM 0.11.1 to 0.16",
    logit_bytes=_SORTS,
    longest_video=0,
    pads_encoder_outputs=False,
)
VLLM_0_17 = replace(VLLM_0_12, name="vLLM 0.17 to 0.19", logit_bytes=_TRITON)
VLLM_0_20_0 = replace(VLLM_0_17, name="vLLM 0.20.0", default_util=0.92)
VLLM_0_20 = replace(VLLM_0_20_0, name="vLLM 0.20.1 and 0.20.2", logs_share=False)
VLLM_0_21 = Engine("vLLM 0.21 to 0.25")
VLLM_0_26 = Engine(
    "vLLM 0.26 and 0.27", state_blocks=2, batches_in_flight=2, logit_bytes=_EITHER_RUNNER
)
VLLM_0_28 = replace(VLLM_0_26, name="vLLM 0.28 and later", largest_batch=16384)

# The first release that no longer follows the rules beside it.
_UNTIL = (
    ((0, 11, 1), VLLM_0_11),
    ((0, 17, 0), VLLM_0_12),
    ((0, 20, 0), VLLM_0_17),
    ((0, 20, 1), VLLM_0_20_0),
    ((0, 21, 0), VLLM_0_20),
    ((0, 26, 0), VLLM_0_21),
    ((0, 28, 0), VLLM_0_26),
)


def engine_for(version: str) -> Engine:
    """Return the rules of a release such as `0.25.1` or `0.34.0.dev12+g1234`.

    The newest release's when the version is empty or not a number.
    """
    release = release_of(version)
    if release is None:
        return VLLM_0_28
    return next((engine for until, engine in _UNTIL if release < until), VLLM_0_28)


def release_of(version: str) -> tuple[int, ...] | None:
    """Return the three numbers of `0.33.0` or `0.34.0.dev12+g1234`; None if there are none."""
    match = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(part or 0) for part in match.groups()) if match else None
