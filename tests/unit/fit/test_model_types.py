"""What each model type means where its config.json does not say it."""

from __future__ import annotations

from typing import Any

import pytest

from onecard.fit import find_model, parse_config, weights
from onecard.fit.shape.errors import NotModelledError

PLAIN: dict[str, Any] = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32768,
}

# Model types whose experts' sizes have keys of their own, with the published sizes in billions.
_EXPERTS = {
    "minimax_m2": (
        {
            "vocab_size": 200064,
            "hidden_size": 3072,
            "intermediate_size": 1536,
            "num_hidden_layers": 62,
            "num_attention_heads": 48,
            "head_dim": 128,
            "num_local_experts": 256,
            "attn_type_list": [1] * 62,
        },
        229,
    ),
    "qwen2_moe": (
        {
            "vocab_size": 151936,
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "num_experts": 64,
            "moe_intermediate_size": 2560,
            "shared_expert_intermediate_size": 20480,
            "use_sliding_window": False,
            "sliding_window": 65536,
        },
        57.4,
    ),
    "olmoe": (
        {
            "vocab_size": 50304,
            "hidden_size": 2048,
            "intermediate_size": 1024,
            "num_hidden_layers": 16,
            "num_attention_heads": 16,
            "num_key_value_heads": 16,
            "num_experts": 64,
        },
        6.92,
    ),
    "phimoe": (
        {
            "vocab_size": 32064,
            "hidden_size": 4096,
            "intermediate_size": 6400,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_local_experts": 16,
            "sliding_window": 131072,
        },
        41.9,
    ),
    "dots1": (
        {
            "vocab_size": 152064,
            "hidden_size": 4096,
            "intermediate_size": 10944,
            "num_hidden_layers": 62,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "n_routed_experts": 128,
            "n_shared_experts": 2,
            "moe_intermediate_size": 1408,
            "first_k_dense_replace": 1,
        },
        142.8,
    ),
}


@pytest.mark.parametrize(("kind", "case"), _EXPERTS.items(), ids=_EXPERTS)
def test_experts_of_each_type_are_counted(kind: str, case: tuple[dict[str, Any], float]) -> None:
    config, billions = case
    usual = {"num_key_value_heads": 8, "max_position_embeddings": 131072, "model_type": kind}
    shape = parse_config({**usual, "tie_word_embeddings": False, **config})
    assert weights(shape).parameters / 1e9 == pytest.approx(billions, rel=0.005)
    assert shape.layers == ("full_attention",) * len(shape.layers)


@pytest.mark.parametrize(
    "change",
    [{"moe_num_experts": 64}, {"attn_type_list": [0, 1]}],
    ids=["experts", "linear attention"],
)
def test_an_unknown_type_is_never_counted_as_dense(change: dict[str, Any]) -> None:
    with pytest.raises(NotModelledError):
        parse_config({**PLAIN, "model_type": "new_kind", **change})


@pytest.mark.parametrize(
    ("change", "sliding"),
    [
        ({"model_type": "gemma2", "sliding_window": 4096}, 16),
        ({"model_type": "cohere2", "sliding_window": 4096, "sliding_window_pattern": 4}, 24),
        ({"model_type": "phi3", "sliding_window": 2047}, 32),
        ({"model_type": "phi3", "sliding_window": 262144}, 0),  # wider than the context
    ],
)
def test_a_type_says_which_layers_have_its_window(change: dict[str, Any], sliding: int) -> None:
    assert parse_config({**PLAIN, **change}).count("sliding_attention") == sliding


def test_gemma_4s_small_models_have_wide_layers_and_tables() -> None:
    # Logged: 8.89 GiB of weights without pictures (0.21.0), the tables among them.
    shape = find_model("google/gemma-4-E2B-it").shape
    assert (shape.wide_layers, shape.rotary) == (20, 131072 * (512 + 256))
    assert weights(shape, vision=False).gib == pytest.approx(8.89, abs=0.06)


def test_rotary_tables_are_four_times_as_long_with_positions_of_videos() -> None:
    assert find_model("Qwen/Qwen3.5-27B").shape.rotary == 4 * 262144 * 64  # a quarter of 256
    assert find_model("meta-llama/Llama-3.1-8B-Instruct").shape.rotary == 131072 * 128
    with pytest.raises(NotModelledError, match="partial_rotary_factor"):
        parse_config({**PLAIN, "partial_rotary_factor": "half"})
