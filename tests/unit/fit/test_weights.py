"""Parameter counts and GiB of weights, against published sizes and a real log."""

from __future__ import annotations

import pytest

from onecard.fit import ModelShape, find_model, weights
from onecard.fit.parameters.parts import mtp_parts, parts
from onecard.fit.shape.model_shape import GIB

# Counts to the last parameter, so that no term of the formulas is lost. Qwen3.5-9B's is the public
# truth: its checkpoint's index.json states 19,306,216,416 bytes, draft layer included.
EXACT = [
    ("google/gemma-3-1b-it", 999_885_952),
    ("google/gemma-3-4b-it", 4_300_079_472),
    ("google/gemma-3-12b-it", 12_187_325_040),
    ("google/gemma-3-27b-it", 27_432_406_640),
    ("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248),
    ("meta-llama/Llama-3.1-70B-Instruct", 70_553_706_496),
    ("meta-llama/Llama-3.2-1B-Instruct", 1_235_814_400),
    ("meta-llama/Llama-3.2-3B-Instruct", 3_212_749_824),
    ("Qwen/Qwen2.5-VL-3B-Instruct", 3_754_622_976),
    ("Qwen/Qwen2.5-VL-7B-Instruct", 8_292_166_656),
    ("Qwen/Qwen3-VL-8B-Instruct", 8_767_123_696),
    ("Qwen/Qwen3-VL-30B-A3B-Instruct", 31_070_754_032),
    ("Qwen/Qwen3.5-9B", 19_306_216_416 // 2),
]


# Published sizes in billions, with the draft layer; the data files name their sources.
PUBLISHED = [
    ("meta-llama/Meta-Llama-3-8B-Instruct", 8.03),
    ("meta-llama/Meta-Llama-3-70B-Instruct", 70.6),
    ("meta-llama/Llama-3.2-1B-Instruct", 1.23),
    ("meta-llama/Llama-3.2-3B-Instruct", 3.21),
    ("Qwen/Qwen3.5-0.8B", 0.87),
    ("Qwen/Qwen3.5-2B", 2.27),
    ("Qwen/Qwen3.5-4B", 4.66),
    ("Qwen/Qwen3.5-9B", 9.65),
    ("Qwen/Qwen3.5-27B", 27.78),
    ("Qwen/Qwen3.5-35B-A3B", 35.95),
    ("Qwen/Qwen3.5-122B-A10B", 125),
    ("Qwen/Qwen3.5-397B-A17B", 403),
]


def total_parameters(shape: ModelShape) -> int:
    return sum(part.parameters for part in parts(shape) + mtp_parts(shape) if part.stored)


@pytest.mark.parametrize(("name", "parameters"), EXACT)
def test_no_parameter_is_lost(name: str, parameters: int) -> None:
    # 9B has a few vectors as float32, 7,680 bytes of its checkpoint.
    counted = total_parameters(find_model(name).shape)
    assert counted == pytest.approx(parameters, abs=4000)


@pytest.mark.parametrize(("name", "billions"), PUBLISHED)
def test_every_published_size_is_met(name: str, billions: float) -> None:
    counted = total_parameters(find_model(name).shape) / 1e9
    assert counted == pytest.approx(billions, rel=0.006)


def test_the_log_of_a_real_start_is_met_within_one_percent() -> None:
    """h200-0.25.1: "Model loading took 51.1 GiB memory"."""
    assert weights(find_model("Qwen/Qwen3.5-27B").shape).gib == pytest.approx(51.1, rel=0.01)


def test_the_draft_layer_is_loaded_only_for_speculative_decoding() -> None:
    shape = find_model("Qwen/Qwen3.5-27B").shape
    extra = weights(shape, mtp=True).gib - weights(shape).gib
    assert extra == pytest.approx(0.79, abs=0.02)


def test_text_only_leaves_the_vision_tower_out() -> None:
    shape = find_model("Qwen/Qwen3.5-27B").shape
    assert weights(shape).gib - weights(shape, vision=False).gib == pytest.approx(0.86, abs=0.01)


@pytest.mark.parametrize(
    ("name", "part", "bits"),
    [
        ("Qwen/Qwen3.5-27B-FP8", "feed-forward", 8.0),
        ("Qwen/Qwen3.5-27B-FP8", "attention", 8.0),
        ("Qwen/Qwen3.5-27B-FP8", "embeddings", 16.0),
        ("Qwen/Qwen3.5-27B-FP8", "lm_head", 16.0),
        ("Qwen/Qwen3.5-27B-FP8", "vision", 16.0),
        # "-:.*attn.*" leaves softmax attention and Gated DeltaNet as they are.
        ("Qwen/Qwen3.5-27B-GPTQ-Int4", "attention", 16.0),
        ("Qwen/Qwen3.5-27B-GPTQ-Int4", "Gated DeltaNet", 16.0),
        ("Qwen/Qwen3.5-27B-GPTQ-Int4", "feed-forward", 4 + 20 / 128),
        ("Qwen/Qwen3.5-35B-A3B-GPTQ-Int4", "experts", 4 + 20 / 128),
        ("Qwen/Qwen3.5-35B-A3B-GPTQ-Int4", "shared expert", 16.0),
    ],
)
def test_a_quantised_checkpoint_follows_its_config(name: str, part: str, bits: float) -> None:
    shape = find_model(name).shape
    found = {weight.name: weight.bits for weight in weights(shape, shape.quantization).parts}
    assert found[part] == bits


def test_cards_share_the_weights_but_each_has_a_kv_head() -> None:
    shape = find_model("meta-llama/Llama-3.1-8B-Instruct").shape
    # Every card holds the norms whole, half a MiB, and 32 MiB of rotary tables.
    tables = shape.rotary * 2 / GIB
    shared = (weights(shape).gib - tables) / 8
    assert weights(shape, tp=8).gib - tables == pytest.approx(shared, abs=0.0005)
    assert weights(shape, tp=16).gib > weights(shape).gib / 16
