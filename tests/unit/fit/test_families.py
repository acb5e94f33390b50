"""The KV cache of each family of models, by what vLLM's own code and logs say."""

from __future__ import annotations

from typing import Any

import pytest

from onecard.fit import engine_for, find_gpu, find_model, parse_config, plan, weights
from onecard.fit.shape.model_shape import FULL, GIB, LINEAR

H100, L40S = find_gpu("H100"), find_gpu("L40S")

# nvidia/NVIDIA-Nemotron-Nano-9B-v2: 56 layers, of them 4 of attention. Its block of 672 tokens is
# vllm-project/vllm issue 24280's.
NEMOTRON: dict[str, Any] = {
    "model_type": "nemotron_h",
    "vocab_size": 131072,
    "hidden_size": 4480,
    "intermediate_size": 15680,
    "num_hidden_layers": 56,
    "hybrid_override_pattern": "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-",
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "mamba_num_heads": 128,
    "mamba_head_dim": 80,
    "n_groups": 8,
    "ssm_state_size": 128,
    "conv_kernel": 4,
    "mamba_ssm_cache_dtype": "bfloat16",
    "tie_word_embeddings": False,
    "max_position_embeddings": 131072,
}

# meta-llama/Llama-4-Scout-17B-16E-Instruct.
LLAMA4: dict[str, Any] = {
    "model_type": "llama4",
    "text_config": {
        "model_type": "llama4_text",
        "vocab_size": 202048,
        "hidden_size": 5120,
        "intermediate_size": 8192,
        "intermediate_size_mlp": 16384,
        "num_hidden_layers": 48,
        "num_attention_heads": 40,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "num_local_experts": 16,
        "num_experts_per_tok": 1,
        "interleave_moe_layer_step": 1,
        "attention_chunk_size": 8192,
        "max_position_embeddings": 10485760,
    },
    "vision_config": {
        "num_hidden_layers": 34,
        "hidden_size": 1408,
        "intermediate_size": 5632,
        "num_channels": 3,
        "patch_size": 14,
        "image_size": 336,
    },
}

# OpenGVLab/InternVL3-8B.
INTERNVL: dict[str, Any] = {
    "model_type": "internvl_chat",
    "llm_config": {
        "model_type": "qwen2",
        "vocab_size": 151674,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "max_position_embeddings": 32768,
        "use_sliding_window": False,
        "tie_word_embeddings": False,
    },
    "vision_config": {
        "num_hidden_layers": 24,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_channels": 3,
        "patch_size": 14,
        "image_size": 448,
    },
}

# zai-org/GLM-4.5-Air: 106 billion parameters without the draft layer.
GLM_AIR: dict[str, Any] = {
    "model_type": "glm4_moe",
    "vocab_size": 151552,
    "hidden_size": 4096,
    "intermediate_size": 10944,
    "moe_intermediate_size": 1408,
    "num_hidden_layers": 46,
    "num_attention_heads": 96,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "n_routed_experts": 128,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "first_k_dense_replace": 1,
    "num_nextn_predict_layers": 1,
    "attention_bias": True,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
}


@pytest.mark.parametrize(
    ("config", "billions", "within"),
    [(NEMOTRON, 8.89, 0.01), (LLAMA4, 108.6, 0.01), (INTERNVL, 7.94, 0.01), (GLM_AIR, 106.9, 0.01)],
)
def test_published_sizes_are_met(config: dict[str, Any], billions: float, within: float) -> None:
    counted = weights(parse_config(config)).parameters / 1e9
    assert counted == pytest.approx(billions, rel=within)


def test_mamba_2_sets_the_block_that_vllm_logs() -> None:
    """conv (10240 + 2 * 8 * 128) * 3 * 2 and state 128 * 80 * 128 * 2, over 4,096 bytes a token."""
    planned = plan(parse_config(NEMOTRON), H100, 65536, kv_gib=40, engine=engine_for("0.25.1"))
    assert planned.block_tokens == 672
    assert (planned.shape.count(FULL), planned.shape.count(LINEAR)) == (4, 27)
    assert planned.layout.group_layers == 4
    assert planned.request_blocks == -(-65536 // 672) + 7  # 27 Mamba layers in groups of 4


def test_llama_4s_chunked_layers_are_cached_whole() -> None:
    """vLLM's config/vllm.py turns the hybrid manager off for attention_chunk_size."""
    planned = plan(parse_config(LLAMA4), H100, 131072, tp=8, kv_gib=10)
    assert planned.bytes_per_token == 48 * 2 * 1 * 128 * 2
    assert planned.logged_tokens == int(10 * GIB) // (planned.bytes_per_token * 16) * 16


def test_latent_attention_is_whole_on_every_card() -> None:
    """MLAAttentionSpec: one vector of kv_lora_rank + qk_rope_head_dim numbers, for any tp."""
    shape = find_model("deepseek-ai/DeepSeek-V3").shape
    one, eight = (plan(shape, find_gpu("H200"), 65536, tp=tp, kv_gib=20) for tp in (1, 8))
    assert one.bytes_per_token == eight.bytes_per_token == 61 * 576 * 2
    assert (one.block_tokens, plan(shape, L40S, 4096, kv_gib=20).block_tokens) == (64, 16)


def test_a_sparse_indexer_has_keys_of_its_own() -> None:
    """DeepseekV32IndexerCache: 128 numbers of 8 bits and a scale of 4 bytes a token."""
    shape = find_model("zai-org/GLM-5.1-FP8").shape
    h200 = find_gpu("H200")
    plain = plan(shape, h200, 65536, tp=8, kv_gib=20)
    fp8 = plan(shape, h200, 65536, tp=8, kv_gib=20, kv_dtype="fp8")
    assert plain.bytes_per_token == 78 * (576 * 2 + 132)
    assert fp8.bytes_per_token == 78 * (656 + 132)


def test_pages_of_unequal_layers_are_made_equal() -> None:
    """Gemma 4's full layers take half as much a token, so their blocks are twice as long."""
    shape = find_model("google/gemma-4-26B-A4B-it").shape
    planned = plan(shape, H100, 98304, kv_gib=20, engine=engine_for("0.19.1"))
    pages = planned.layout
    assert (pages.block_tokens, pages.sliding_block_tokens, pages.groups) == (32, 16, 6)
    assert pages.page_bytes == 32 * 2 * 2 * 512 * 2 == 16 * 2 * 8 * 256 * 2


def test_the_states_type_is_the_models_where_it_is_not_named() -> None:
    """Our tiny model on an H100 had a block of 48, and Qwen3-Next has one of 544 on two cards."""
    shape = find_model("Qwen/Qwen3-Next-80B-A3B-Instruct").shape
    planned = plan(shape, find_gpu("H200"), 262144, tp=2, kv_gib=44.59, engine=engine_for("0.11.0"))
    assert (planned.block_tokens, planned.blocks) == (544, 7162)
    assert (planned.old_logged_tokens, round(planned.concurrency, 2)) == (973_760, 14.77)


def test_a_stage_of_a_pipeline_holds_its_share() -> None:
    shape = find_model("Qwen/Qwen3-32B").shape
    one, two = (plan(shape, H100, 32768, pp=pp, util=0.95) for pp in (1, 2))
    assert two.bytes_per_token == one.bytes_per_token / 2
    assert one.weights_gib / 2 < two.weights_gib < one.weights_gib * 0.55
    assert two.fits
    assert not two.surely_fits  # no start of a pipeline is known
    assert "no start of a model of this kind" in two.reasons[0]


def test_experts_as_a_whole_take_no_more_than_split_ones() -> None:
    shape = find_model("Qwen/Qwen3-30B-A3B-Instruct-2507-FP8").shape
    split, whole = (
        plan(shape, L40S, 32768, tp=2, whole_experts=each, util=0.95) for each in (False, True)
    )
    assert split.weights_gib == whole.weights_gib
    assert whole.kv_low_gib <= split.kv_low_gib


@pytest.mark.parametrize(
    ("quantization", "bits"),
    [
        ({"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"]}, 4.5),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, 8),
        ({"quant_method": "mxfp4", "modules_to_not_convert": ["self_attn"]}, 4.25),
        ({"quant_method": "auto-round", "bits": 4, "group_size": 128}, 4 + 20 / 128),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {
                    "a": {
                        "targets": ["Linear"],
                        "weights": {"num_bits": 4, "type": "float", "group_size": 16},
                    },
                    "b": {"targets": ["re:.*self_attn.*"], "weights": {"num_bits": 8}},
                },
            },
            4.5,
        ),
    ],
)
def test_a_weight_has_its_methods_bits(quantization: dict[str, Any], bits: float) -> None:
    config = find_model("Qwen/Qwen3-8B").config
    shape = parse_config({**config, "quantization_config": quantization})
    found = {part.name: part.bits for part in weights(shape, shape.quantization).parts}
    assert found["feed-forward"] == bits
    assert found["embeddings"] == 16
    if "config_groups" in quantization:
        assert found["attention"] == 8
