"""How many cards share a model: cards and heads -> a number, or why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from onecard.errors import PreflightError
from onecard.fit import find_model, parse_config
from onecard.fit.on_host import BoxModel, settle
from onecard.fit.tensor_parallel import choose, divides, obstacle
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.serve_settings import ModelSettings, ServeSettings
from onecard.settings.settings import Settings
from tests.support.facts_support import CARD, box, working

# 24 heads, 4 KV heads; 28 and 4; 32 and 4 with experts. Heads as in the models' config.json.
QWEN_27B, QWEN_VL_7B = "Qwen/Qwen3.5-27B", "Qwen/Qwen2.5-VL-7B-Instruct"
QWEN_30B = "Qwen/Qwen3-VL-30B-A3B-Instruct"
# 16 heads, experts 512 wide, the shared one too; one scale for each 128 by 128 weights.
QWEN_35B_FP8 = "Qwen/Qwen3.5-35B-A3B-FP8"

# As in Qwen2.5-14B-Instruct's config.json.
FORTY_HEADS = {
    "model_type": "qwen2",
    "vocab_size": 152064,
    "hidden_size": 5120,
    "intermediate_size": 13824,
    "num_hidden_layers": 48,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32768,
}


@pytest.mark.parametrize(
    ("model", "requested", "cards", "chosen"),
    [
        (QWEN_27B, "auto", 1, 1),
        (QWEN_27B, "auto", 2, 2),
        (QWEN_27B, "auto", 3, 2),  # 24 heads, but 4 KV heads do not go by 3
        (QWEN_27B, "auto", 7, 4),
        (QWEN_27B, "auto", 8, 8),
        (QWEN_27B, "auto", 16, 8),  # 24 heads do not go by 16
        (QWEN_27B, 4, 8, 4),
        (QWEN_27B, 1, 8, 1),
        (QWEN_VL_7B, "auto", 8, 4),
        (QWEN_30B, "auto", 8, 8),
        (QWEN_35B_FP8, "auto", 8, 4),  # 512 wide experts in 8 are half a block of 128
        (None, "auto", 6, 4),
        (None, "auto", 0, 1),
        (None, 3, 4, 3),  # nothing is known of its heads
    ],
)
def test_chosen(model: str | None, requested: int | str, cards: int, chosen: int) -> None:
    shape = find_model(model).shape if model else None
    assert choose(requested, cards, shape, "m") == chosen


@pytest.mark.parametrize(
    ("model", "requested", "cards", "message"),
    [
        (QWEN_27B, 3, 4, "3 cards do not divide m (4 KV heads): set serve.tensor_parallel to one of 1, 2, 4"),
        (QWEN_27B, 6, 8, "one of 1, 2, 4, 8"),
        (QWEN_VL_7B, 8, 8, "8 cards do not divide m (28 attention heads)"),
        (QWEN_35B_FP8, 8, 8, "8 cards do not divide m (an expert width of 512 in quantisation blocks of 128): set serve.tensor_parallel to one of 1, 2, 4"),
        (QWEN_27B, 8, 1, "is 8, and the box has 1 card for it"),
        (None, 8, 4, "is 8, and the box has 4 cards for it"),
    ],
)  # fmt: skip
def test_refused(model: str | None, requested: int, cards: int, message: str) -> None:
    shape = find_model(model).shape if model else None
    with pytest.raises(PreflightError) as caught:
        choose(requested, cards, shape, "m")
    assert message in caught.value.message


def test_widths_count_too() -> None:
    shape = find_model(QWEN_27B).shape
    assert divides(shape, 8)
    assert obstacle(replace(shape, intermediate=17_412), 8) == "a feed-forward width of 17,412"


def test_expert_parallelism_cuts_no_expert() -> None:
    shape = find_model(QWEN_35B_FP8).shape
    assert shape.experts is not None
    alone = replace(shape, experts=replace(shape.experts, shared=0))
    assert obstacle(alone, 8).startswith("an expert width of 512")
    assert divides(alone, 8, whole_experts=True)
    assert "a shared expert's width of 512" in obstacle(shape, 8, whole_experts=True)


@pytest.mark.parametrize(
    "quantization",
    [
        {"quant_method": "fp8", "weight_block_size": [128, 128]},
        {
            "quant_method": "compressed-tensors",
            "config_groups": {
                "group_0": {
                    "weights": {"num_bits": 8, "strategy": "block", "block_structure": [128, 128]}
                }
            },
        },
    ],
    ids=lambda given: str(given["quant_method"]),
)
def test_blocks_are_read_from_a_config(quantization: dict[str, Any]) -> None:
    shape = parse_config({**FORTY_HEADS, "quantization_config": quantization})
    message = "a feed-forward width of 13,824 in quantisation blocks of 128"
    assert (obstacle(shape, 4), obstacle(shape, 8)) == ("", message)
    stored = {**quantization, "modules_to_not_convert": ["mlp"], "ignore": ["re:.*mlp.*"]}
    assert divides(parse_config({**FORTY_HEADS, "quantization_config": stored}), 8)


@pytest.mark.parametrize(
    ("requested", "refused"),
    [
        (4, ""),
        (5, "5 cards do not divide acme/forty (8 KV heads): set serve.tensor_parallel to one of 1, 2, 4, 8"),
        (6, "6 cards do not divide acme/forty (40 attention heads): set serve.tensor_parallel to one of 1, 2, 4, 8"),
        ("auto", ""),
    ],
)  # fmt: skip
def test_what_lies_on_the_box_is_queried_before_a_start(requested: int | str, refused: str) -> None:
    facts = box(driver=working("580.95.05"), gpus=(CARD,) * 8)
    values = {"serve": {"tensor_parallel": requested}, "model": {"source": "acme/forty"}}
    host = Host("a100-1", Connection("192.0.2.7"), Settings.model_validate(values))
    before = settle(host, facts).host.settings.serve.tensor_parallel
    assert before == (8 if requested == "auto" else requested)  # the download changes nothing in it
    found = BoxModel("0.33.0", FORTY_HEADS)
    if not refused:
        settled = settle(host, facts, found)
        settled.refuse()
        assert settled.planned is not None
        return
    with pytest.raises(PreflightError) as caught:
        settle(host, facts, found).refuse()
    assert caught.value.message == refused


def test_auto_of_an_unknown_model_that_does_not_divide_is_refused() -> None:
    facts = box(driver=working("580.95.05"), gpus=(CARD,) * 8)
    host = Host("a100-1", Connection("192.0.2.7"), Settings(model=ModelSettings(source="acme/x")))
    config = {**FORTY_HEADS, "num_attention_heads": 28, "num_key_value_heads": 4}
    with pytest.raises(PreflightError, match=r"8 cards do not divide acme/x \(28 "):
        settle(host, facts, BoxModel("0.33.0", config)).refuse()


@pytest.mark.parametrize(
    ("serve", "cards", "accelerator", "chosen"),
    [
        (ServeSettings(), 4, "nvidia", 4),
        (ServeSettings(pipeline_parallel=2), 8, "nvidia", 4),
        (ServeSettings(tensor_parallel=2), 8, "nvidia", 2),
        (ServeSettings(), 0, "cpu", 1),
        (ServeSettings(tensor_parallel=2), 0, "cpu", 2),
    ],
)
def test_settled(serve: ServeSettings, cards: int, accelerator: str, chosen: int) -> None:
    facts = box(driver=working("580.95.05"), gpus=(CARD,) * cards)
    settings = Settings.model_validate(
        {"accelerator": accelerator, "serve": serve, "model": ModelSettings(source=QWEN_27B)}
    )
    host = Host("a100-1", Connection("192.0.2.7"), settings)
    assert settle(host, facts).host.settings.serve.tensor_parallel == chosen


@pytest.mark.parametrize(
    ("name", "mib", "capability", "model", "serve", "chosen"),
    [
        ("NVIDIA H100 80GB HBM3", 81_559, "9.0", QWEN_27B, ServeSettings(), 256),
        ("NVIDIA H100 80GB HBM3", 81_559, "9.0", QWEN_27B, ServeSettings(max_num_seqs=313), 313),
        ("NVIDIA A100-SXM4-80GB", 81_920, "8.0", QWEN_27B, ServeSettings(), None),
        ("NVIDIA H100 80GB HBM3", 81_559, "9.0", "someone/unknown", ServeSettings(), None),
    ],
)
def test_requests_at_once_are_lowered_where_the_default_does_not_start(
    name: str, mib: int, capability: str, model: str, serve: ServeSettings, chosen: int | None
) -> None:
    card = replace(CARD, name=name, memory_total_mib=mib, capability=capability)
    settings = Settings(serve=serve, model=ModelSettings(source=model))
    host = Host("h100-1", Connection("192.0.2.7"), settings)
    found = settle(host, box(driver=working("580.95.05"), gpus=(card,)))
    assert found.host.settings.serve.max_num_seqs == chosen
