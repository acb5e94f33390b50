"""/metrics of real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.api.metrics import NAMES, cache_config, read_metrics

LOGS = Path(__file__).parents[1] / "fixtures" / "logs"


@pytest.mark.parametrize(
    ("name", "finished", "hits"),
    [("cpu-0.32.0-metrics.txt", 9, 3), ("h200-0.25.1-metrics.txt", 11, 4)],
)
def test_real_metrics_are_read(name: str, finished: int, hits: int) -> None:
    found = read_metrics((LOGS / name).read_text())
    assert set(found) == set(NAMES.values())
    assert found["prompt_tokens"] > 100
    assert (found["finished"], found["picture_hits"]) == (finished, hits)


def test_engines_are_summed_and_other_lines_passed_over() -> None:
    text = (
        "# HELP x\n"
        'vllm:prompt_tokens_total{engine="0"} 100\n'
        'vllm:prompt_tokens_total{engine="1"} 11\n'
        "vllm:num_preemptions_total 2.0\nbroken\nvllm:prompt_tokens_total x\n"
    )
    assert read_metrics(text) == {"prompt_tokens": 111.0, "preemptions": 2.0}
    assert cache_config(text) == {}


@pytest.mark.parametrize(
    ("name", "caching", "block"),
    [("cpu-0.32.0-metrics.txt", "True", "128"), ("h200-0.25.1-metrics.txt", "False", "784")],
)
def test_the_cache_settings_are_those_of_the_running_server(
    name: str, caching: str, block: str
) -> None:
    found = cache_config((LOGS / name).read_text())
    assert (found["enable_prefix_caching"], found["block_size"]) == (caching, block)
