"""How many cards share a model: cards and heads -> a number, or why not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from facts_support import CARD, box, working

from onecard.errors import PreflightError
from onecard.fit import find_model
from onecard.host import Connection, Host
from onecard.host_fit import settled
from onecard.settings import ModelSettings, ServeSettings, Settings
from onecard.tensor_parallel import choose, divides

# 24 heads, 4 KV heads; 28 and 4; 32 and 4 with experts. Heads as in the models' config.json.
QWEN_27B, QWEN_VL_7B = "Qwen/Qwen3.5-27B", "Qwen/Qwen2.5-VL-7B-Instruct"
QWEN_30B = "Qwen/Qwen3-VL-30B-A3B-Instruct"


@pytest.mark.parametrize(
    ("model", "asked", "cards", "chosen"),
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
        (None, "auto", 6, 4),
        (None, "auto", 0, 1),
        (None, 3, 4, 3),  # nothing is known of its heads
    ],
)
def test_chosen(model: str | None, asked: int | str, cards: int, chosen: int) -> None:
    shape = find_model(model).shape if model else None
    assert choose(asked, cards, shape, "m") == chosen


@pytest.mark.parametrize(
    ("model", "asked", "cards", "said"),
    [
        (QWEN_27B, 3, 4, "3, which does not divide m (24 attention heads): set auto, or one of 1, 2, 4"),
        (QWEN_27B, 6, 8, "one of 1, 2, 4, 8"),
        (QWEN_VL_7B, 8, 8, "8, which does not divide m (28 attention heads)"),
        (QWEN_27B, 8, 1, "is 8, and the box has 1 card for it"),
        (None, 8, 4, "is 8, and the box has 4 cards for it"),
    ],
)  # fmt: skip
def test_refused(model: str | None, asked: int, cards: int, said: str) -> None:
    shape = find_model(model).shape if model else None
    with pytest.raises(PreflightError) as caught:
        choose(asked, cards, shape, "m")
    assert said in caught.value.message


def test_widths_count_too() -> None:
    shape = find_model(QWEN_27B).shape
    assert divides(shape, 8)
    assert not divides(replace(shape, intermediate=17_412), 8)


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
    assert settled(host, facts).settings.serve.tensor_parallel == chosen


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
    found = settled(host, box(driver=working("580.95.05"), gpus=(card,)))
    assert found.settings.serve.max_num_seqs == chosen
