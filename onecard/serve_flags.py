"""Which flag of `vllm serve` each setting of `serve` becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Setting -> flag, for those whose value goes behind the flag as it is.
PLAIN: Final[Mapping[str, str]] = {
    "pipeline_parallel": "--pipeline-parallel-size",
    "max_num_seqs": "--max-num-seqs",
    "max_num_batched_tokens": "--max-num-batched-tokens",
    "kv_cache_dtype": "--kv-cache-dtype",
    "quantization": "--quantization",
    "limit_mm_per_prompt": "--limit-mm-per-prompt",
    "mm_processor_cache_gib": "--mm-processor-cache-gb",
    "mm_processor_cache_type": "--mm-processor-cache-type",
    "chat_template_kwargs": "--default-chat-template-kwargs",
}
SWITCHES: Final[Mapping[str, str]] = {
    "language_model_only": "--language-model-only",
    "enforce_eager": "--enforce-eager",
}
# Flag -> the setting that it belongs to, short forms too.
OWNERS: Final[Mapping[str, str]] = {
    **{flag: f"serve.{name}" for name, flag in {**PLAIN, **SWITCHES}.items()},
    "--model": "model.source",
    "--revision": "model.revision",
    "--served-model-name": "model.name",
    "--host": "serve.address",
    "--port": "serve.port",
    "--max-model-len": "serve.ctx",
    "--gpu-memory-utilization": "serve.gpu_memory_utilization",
    "--kv-cache-memory-bytes": "serve.kv_cache_gib",
    "--tensor-parallel-size": "serve.tensor_parallel",
    "--enable-prefix-caching": "serve.enable_prefix_caching",
    "--reasoning-parser": "serve.reasoning_parser",
    "--tool-call-parser": "serve.tool_call_parser",
    "--enable-auto-tool-choice": "serve.tool_call_parser",
    "--speculative-config": "serve.speculative_config",
    "-tp": "serve.tensor_parallel",
    "-pp": "serve.pipeline_parallel",
    "-q": "serve.quantization",
    "-sc": "serve.speculative_config",
}
