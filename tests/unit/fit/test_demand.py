"""Which cards and flags serve N requests of L tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onecard.errors import UsageError
from onecard.fit import find_gpu, find_model, known_gpus
from onecard.fit.catalogue.gpu import card_of
from onecard.fit.demand.search import Choice, Demand, choices, parse_demand
from onecard.fit.rules import Rules
from onecard.fit.server import Server
from onecard.settings.serve_settings import ServeSettings

RULES = Rules("0.26.0", "inventory/locks/h100-1.yml")


def server(model: str) -> Server:
    return Server(model, find_model(model).shape, ServeSettings(), RULES)


def found_for(model: str, text: str) -> dict[str, Choice]:
    found = choices(server(model), parse_demand(text), known_gpus())
    return {choice.plan.gpu.name: choice for choice in found}


@pytest.mark.parametrize(
    ("text", "demand"),
    [
        ("4 x 65536", Demand(4, 65_536)),
        ("4x64k", Demand(4, 65_536)),
        (" 1 X 1M ", Demand(1, 1_048_576)),
        ("16×128k", Demand(16, 131_072)),
    ],
)
def test_a_demand_is_requests_times_tokens(text: str, demand: Demand) -> None:
    assert parse_demand(text) == demand


@pytest.mark.parametrize("text", ["", "4", "x", "4 x", "0 x 64k", "64k", "4 by 64k", "-1 x 4"])
def test_anything_else_is_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r'--for: ".*" is not N x L, requests x tokens'):
        parse_demand(text)
    with pytest.raises(UsageError, match='--for: in "4 x 64q", "64q" is not a number of tokens'):
        parse_demand("4 x 64q")


def test_each_choice_holds_the_requests_at_the_low_end_of_its_estimate() -> None:
    for choice in found_for("Qwen/Qwen3.5-27B-FP8", "4 x 64k").values():
        plan = choice.plan
        assert plan.fits
        assert (plan.ctx, plan.max_num_seqs) == (65_536, 4)
        low = plan.layout.blocks(int(plan.kv_low_gib * 2**30)) - 1
        assert low // plan.request_blocks >= 4


def test_the_least_memory_comes_first_and_each_card_appears_once() -> None:
    found = choices(server("Qwen/Qwen3.5-27B"), Demand(4, 65_536), known_gpus())
    memory = [choice.memory_gib for choice in found]
    assert memory == sorted(memory)
    names = [choice.plan.gpu.name for choice in found]
    assert len(names) == len(set(names))
    assert {"V100-32GB", "T4-16GB"}.isdisjoint(names)  # no build; too small


def test_fewer_cards_come_before_milder_flags_and_those_before_an_fp8_cache() -> None:
    """Weights of 29 GiB: 48 GB hold four such requests in an fp8 cache, which an A40 cannot read."""
    found = found_for("Qwen/Qwen3.5-27B-FP8", "4 x 64k")
    l40s, a40, h200 = (found[name] for name in ("L40S-48GB", "A40-48GB", "H200-141GB"))
    assert (l40s.plan.tp, l40s.kv_dtype) == (1, "fp8")
    assert "--kv-cache-dtype fp8" in l40s.flags
    assert (a40.plan.tp, a40.kv_dtype) == (2, "auto")
    assert "--tensor-parallel 2" in a40.flags
    assert h200.flags == ("--ctx 65536", "--max-num-seqs 4")


def test_a_card_that_is_alone_in_its_box_is_not_multiplied() -> None:
    found = found_for("meta-llama/Llama-3.3-70B-Instruct", "4 x 64k")
    assert "GB10-128GB" not in found
    spark = found_for("Qwen/Qwen3.5-27B", "4 x 64k")["GB10-128GB"].plan
    assert (spark.tp, spark.util) == (1, 0.82)


def test_what_the_user_fixes_is_not_searched() -> None:
    qwen, demand = server("Qwen/Qwen3.5-27B-FP8"), Demand(4, 65_536)
    l40s = find_gpu("L40S")
    assert choices(qwen, demand, (l40s,), counts=(1,), kv_dtypes=("auto",)) == ()
    (found,) = choices(qwen, demand, (l40s,), counts=(2,), utils=(0.7,))
    assert (found.plan.tp, found.plan.util) == (2, 0.7)
    assert choices(qwen, demand, (l40s,), counts=(5,)) == ()  # 5 cards do not divide the model
    (unnamed,) = choices(qwen, demand, (card_of(80),))
    assert unnamed.plan.gpu.name == "card of 80 GiB"


def test_the_command_has_the_settings_that_were_planned_with() -> None:
    qwen = replace(server("Qwen/Qwen3.5-35B-A3B"), quant="fp8").with_settings(
        enable_prefix_caching=False,
        limit_mm_per_prompt={"video": 0},
        extra_args=("--enable-expert-parallel",),
    )
    (found,) = choices(qwen, Demand(4, 65_536), (find_gpu("H200"),))
    assert found.flags == (
        "--ctx 65536",
        "--max-num-seqs 4",
        "--quantization fp8",
        "--no-enable-prefix-caching",
        """--limit-mm-per-prompt '{"video": 0}'""",
        """--extra-args '["--enable-expert-parallel"]'""",
    )


def test_no_card_holds_a_thousand_requests_of_the_largest_context() -> None:
    assert found_for("Qwen/Qwen3.5-27B", "1000 x 256k") == {}
