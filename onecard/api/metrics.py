"""vLLM's counters and gauges, from the text of /metrics."""

from __future__ import annotations

import math
import re
from typing import Final

NAMES: Final = {
    "vllm:kv_cache_usage_perc": "kv_use",
    "vllm:gpu_cache_usage_perc": "kv_use",  # until 0.11
    "vllm:num_requests_running": "running",
    "vllm:num_requests_waiting": "waiting",
    "vllm:num_preemptions_total": "preemptions",
    "vllm:prompt_tokens_total": "prompt_tokens",
    "vllm:generation_tokens_total": "generation_tokens",
    "vllm:request_success_total": "finished",
    "vllm:prefix_cache_queries_total": "prefix_queries",
    "vllm:prefix_cache_hits_total": "prefix_hits",
    "vllm:mm_cache_queries_total": "picture_queries",
    "vllm:mm_cache_hits_total": "picture_hits",
}
_CACHE_CONFIG: Final = "vllm:cache_config_info{"
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def read_metrics(text: str) -> dict[str, float]:
    """Return the values of NAMES, summed over engines; a missing one is left out.

    text: Prometheus' text format. finished: requests of any outcome, aborted ones too.
    """
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        sample, _, value = line.rpartition(" ")
        name = NAMES.get(sample.partition("{")[0])
        if name is None:
            continue
        try:
            number = float(value)
        except ValueError:
            continue
        if math.isfinite(total := found.get(name, 0.0) + number):
            found[name] = total
    return found


def cache_config(text: str) -> dict[str, str]:
    """Return the running server's cache settings, such as `enable_prefix_caching` -> `True`.

    They are labels of one gauge of /metrics, as Python prints them. Empty where it is missing.
    """
    line = next((line for line in text.splitlines() if line.startswith(_CACHE_CONFIG)), "")
    return dict(_LABEL.findall(line))
