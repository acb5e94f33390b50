"""config.json files: what is read, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from onecard.fit import NotModelledError, find_preset, known_models, parse_config

PLAIN: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 1000,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
}

REFUSED = [
    ({"kv_lora_rank": 512}, "qk_nope_head_dim is missing"),
    ({"compress_ratios": [4]}, "compressed attention"),
    ({"linear_attn_config": {"kda_layers": [1]}}, "Kimi Delta Attention"),
    ({"ssm_state_size": 128}, "Mamba-2"),
    ({"attention_chunk_size": 8192}, "chunked local attention"),
    ({"num_kv_shared_layers": 10}, "shared between layers"),
    ({"cross_attention_layers": [3]}, "cross-attention"),
    ({"is_encoder_decoder": True}, "encoder-decoder"),
    ({"model_type": "exaone", "sliding_window": 2047}, "no key says which layers"),
    ({"layer_types": ["full_attention", "conv"]}, "layer_types conv"),
    ({"layer_types": ["full_attention"]}, "names 1 layers, num_hidden_layers is 2"),
    ({"model_type": "novel", "num_experts": 8}, "experts of model_type novel"),
    ({"vision_config": {"depth": 2}}, "vision tower of model_type llama"),
    ({"quantization_config": {"quant_method": "hqq"}}, "quant_method hqq"),
    ({"hidden_size": "64"}, "hidden_size is '64'"),
    ({"num_hidden_layers": None}, "num_hidden_layers is missing"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_what_is_not_modelled_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(NotModelledError, match=message) as caught:
        parse_config({**PLAIN, **change})
    assert caught.value.exit_code == 1
    assert "\n" not in caught.value.message


def test_nested_and_flat_configs_read_the_same() -> None:
    nested = parse_config({"model_type": "llama", "text_config": PLAIN})
    assert nested == parse_config(PLAIN)


def test_a_plain_model_of_an_unknown_family_is_counted_and_reports_how() -> None:
    shape = parse_config({**PLAIN, "model_type": "novel"})
    assert "novel is not known" in shape.assumptions[0]
    assert parse_config(PLAIN).assumptions == ()


def test_a_window_that_is_switched_off_is_no_window() -> None:
    shape = parse_config(
        {**PLAIN, "model_type": "qwen2", "sliding_window": 32768, "use_sliding_window": False}
    )
    assert (shape.count("full_attention"), shape.window) == (2, 0)


def test_every_model_of_the_catalogue_names_its_source() -> None:
    models = known_models()
    assert len({model.name for model in models.values()}) >= 30
    assert all("github" in m.source or "/" in m.source for m in models.values())


def test_presets_carry_the_recipes_flags() -> None:
    preset = find_preset("qwen/qwen3.5-27b-fp8")
    assert preset is not None
    assert preset["flags"] == ["--reasoning-parser", "qwen3"]
    assert preset["mtp"][1] == '{"method":"mtp","num_speculative_tokens":1}'
    assert find_preset("nobody/nothing") is None
