"""A server's settings in its plan: prefix caching, speculative decoding, pictures, CUDA graphs."""

from __future__ import annotations

import pytest

from onecard.fit import NotModelledError, find_gpu, find_model
from onecard.fit.plan import Plan
from onecard.fit.rules import Rules
from onecard.fit.server import Server
from onecard.settings.serve_settings import ServeSettings

QWEN, LLAMA = "Qwen/Qwen3.5-27B", "meta-llama/Llama-3.1-8B-Instruct"
H100 = find_gpu("H100")


def planned(model: str = QWEN, vllm: str = "0.25.1", **serve: object) -> Plan:
    settings = ServeSettings.model_validate({"tensor_parallel": 1, **serve})
    return Server(model, find_model(model).shape, settings, Rules(vllm, "--vllm")).on(H100)


@pytest.mark.parametrize(
    ("caching", "tokens", "times"),
    [(None, 292_391, 1.12), (False, 292_391, 1.12), (True, 289_819, 1.11)],
)
def test_prefix_caching_takes_a_second_state(
    caching: bool | None, tokens: int, times: float
) -> None:
    """Two starts on an H100 with 256 requests and 2,048 batched tokens logged 18.04 GiB."""
    found = planned(
        ctx=262_144, kv_cache_gib=18.041, max_num_seqs=256, enable_prefix_caching=caching
    )
    assert (found.logged_tokens, round(found.concurrency, 2)) == (tokens, times)
    assert planned(vllm="0.26.0", enable_prefix_caching=False).layout.state_blocks == 1
    assert planned(vllm="0.26.0").layout.state_blocks == 2


@pytest.mark.parametrize(
    ("config", "drafted"),
    [
        (None, 0),
        ("auto", 1),  # the preset's
        ({"method": "mtp", "num_speculative_tokens": 3}, 3),
        ({"method": "qwen3_next_mtp", "num_speculative_tokens": 2}, 2),
    ],
)
def test_draft_layers_take_weights_and_cache(config: object, drafted: int) -> None:
    without, found = planned(), planned(speculative_config=config)
    assert found.layout.state_blocks == without.layout.state_blocks + drafted
    assert found.layout.attention_layers == without.layout.attention_layers + bool(drafted)
    assert (found.weights_gib > without.weights_gib) is bool(drafted)


def test_drafts_from_the_text_take_nothing_and_those_of_another_model_are_not_modelled() -> None:
    ngram = {"method": "ngram", "num_speculative_tokens": 4}
    assert planned(LLAMA, speculative_config=ngram).weights_gib == planned(LLAMA).weights_gib
    eagle = {"method": "eagle3", "model": "some/eagle", "num_speculative_tokens": 3}
    draft = {"model": "some/draft", "num_speculative_tokens": 3}
    for model, config in ((LLAMA, eagle), (LLAMA, draft), (QWEN, ngram)):
        with pytest.raises(NotModelledError, match="speculative decoding by"):
            planned(model, speculative_config=config)


@pytest.mark.parametrize(
    ("serve", "vision"),
    [
        ({}, True),
        ({"limit_mm_per_prompt": {"image": 4, "video": 0}}, True),
        ({"limit_mm_per_prompt": {"image": 0}}, True),
        ({"limit_mm_per_prompt": {"image": 0, "video": 0}}, False),
        ({"language_model_only": True}, False),
    ],
)
def test_a_limit_of_no_pictures_leaves_the_tower_out(
    serve: dict[str, object], vision: bool
) -> None:
    found = planned(**serve)
    assert any(part.name == "vision" for part in found.weights.parts) is vision


def test_a_model_that_takes_no_videos_needs_no_limit_for_them() -> None:
    found = planned("google/gemma-3-4b-it", limit_mm_per_prompt={"image": 0})
    assert all(part.name != "vision" for part in found.weights.parts)


def test_eager_mode_has_no_graphs_and_fewer_requests_take_less() -> None:
    default = planned()
    assert planned(enforce_eager=True).overhead.graphs == 0 < default.overhead.graphs
    fewer = planned(max_num_seqs=8, max_num_batched_tokens="2k")
    assert fewer.overhead_gib < default.overhead_gib
    assert (fewer.max_num_seqs, fewer.max_num_batched_tokens) == (8, 2048)
