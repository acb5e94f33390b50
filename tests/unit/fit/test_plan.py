"""KV blocks, requests and contexts, against what real starts logged."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from onecard.deploy.memory_table import meaning
from onecard.errors import PreflightError, UsageError
from onecard.fit import (
    Gpu,
    Plan,
    check_ctx,
    compare,
    cpu_node,
    engine_for,
    explain,
    find_gpu,
    find_model,
    known_gpus,
    parse_config,
    plan,
    print_explanation,
    print_plans,
    reported_gpu,
    table,
)
from onecard.fit.shape.model_shape import GIB
from onecard.startup_log import MemoryFacts

A100 = find_gpu("A100-80GB")
H200_AT_51 = replace(find_gpu("H200"), usable_gib=71.3 / 0.9)  # --gpu-memory-utilization 0.51
QWEN = find_model("Qwen/Qwen3.5-27B").shape
QWEN3_8B = find_model("Qwen/Qwen3-8B").shape


def tiny(value_heads: int) -> Any:
    """The small model of the CPU logs: one full-attention layer and three of Gated DeltaNet."""
    text = {
        "model_type": "qwen3_5_text",
        "vocab_size": 640,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 4,
        "full_attention_interval": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": value_heads,
        "linear_key_head_dim": 64,
        "linear_value_head_dim": 64,
        "linear_conv_kernel_dim": 4,
        "max_position_embeddings": 262144,
    }
    return parse_config({"model_type": "qwen3_5", "text_config": text, "tie_word_embeddings": True})


# KV GiB, ctx -> blocks, tokens logged, concurrency: starts on an H200 with vLLM 0.25.1. The last
# one failed after logging them, with "exceeds available Mamba cache blocks (313)".
GPU_LOGS = [
    (17.21, 65536, 359, 270_430, "4.13"),
    (17.21, 4096, 359, 163_384, "39.89"),
    (14.98, 4096, 313, 142_449, "34.78"),
]


@pytest.mark.parametrize(("kv", "ctx", "blocks", "tokens", "times"), GPU_LOGS)
def test_a_gpu_start_is_met_exactly(
    kv: float, ctx: int, blocks: int, tokens: int, times: str
) -> None:
    planned = plan(QWEN, A100, ctx, kv_gib=kv)
    assert (planned.block_tokens, planned.blocks) == (784, blocks)
    assert (planned.logged_tokens, f"{planned.concurrency:.2f}") == (tokens, times)


def test_the_posts_figure_is_what_old_builds_print() -> None:
    planned = plan(QWEN, A100, 262144, kv_gib=18.3)
    assert (planned.blocks, planned.old_logged_tokens) == (382, 74_480)
    assert planned.max_request_tokens == 296_352
    assert (planned.request_blocks, planned.fits) == (338, True)
    shown = {line.figure: line.formula for line in explain(planned)}
    assert "74,480; one request may have 296,352" in shown["tokens, as old builds log"]


# cpu-0.32.0-ok.log, -api-key.log, -len-262144-ok.log. The last two served a model with four value
# heads, whose blocks are twice as large.
CPU_LOGS = [
    (2, 0.25, 4096, 128, 441_505, "107.79"),
    (4, 0.25, 4096, 256, 381_300, "93.09"),
    (4, 1.0, 262144, 256, 2_084_935, "7.95"),
]


@pytest.mark.parametrize(("heads", "kv", "ctx", "block", "tokens", "times"), CPU_LOGS)
def test_a_cpu_start_is_met_exactly(
    *, heads: int, kv: float, ctx: int, block: int, tokens: int, times: str
) -> None:
    planned = plan(tiny(heads), cpu_node(16.71), ctx, kv_gib=kv, engine=engine_for("0.32.0"))
    assert planned.block_tokens == block
    assert (planned.logged_tokens, f"{planned.concurrency:.2f}") == (tokens, times)


def test_the_longest_context_is_the_one_vllm_names_when_it_refuses() -> None:
    """cpu-0.32.0-kv-too-small-262144.log: "the estimated maximum model length is 203008"."""
    planned = plan(
        tiny(4), cpu_node(16.71), 262144, kv_gib=104857600 / GIB, engine=engine_for("0.32.0")
    )
    assert (planned.fits, planned.max_ctx) == (False, 203_008)
    with pytest.raises(PreflightError, match="the largest that starts is --ctx 203008"):
        check_ctx(planned)


def test_fp8_doubles_the_block_and_retains_the_number_of_blocks() -> None:
    planned = plan(QWEN, A100, 65536, kv_dtype="fp8", kv_gib=17.21)
    assert (planned.block_tokens, planned.blocks, planned.bytes_per_token) == (1568, 359, 32_768)


def test_prefix_caching_takes_two_states_in_newer_builds() -> None:
    assert [engine_for(v).state_blocks for v in ("0.25.1", "0.26.0", "0.33.0", "")] == [1, 2, 2, 2]
    newer = plan(QWEN, A100, 65536, kv_gib=17.21, engine=engine_for("0.34.0.dev3+g12"))
    assert newer.request_blocks == 84 + 6


def test_plain_attention_has_blocks_of_16_and_one_group() -> None:
    llama = find_model("meta-llama/Llama-3.1-8B-Instruct").shape
    planned = plan(llama, A100, 4096, kv_gib=10)
    assert planned.block_tokens == 16
    assert planned.bytes_per_token == 131_072  # 2 * 8 * 128 * 2 * 32 layers
    assert planned.blocks == 10 * GIB // (131_072 * 16)
    assert planned.old_logged_tokens == planned.blocks * 16
    assert planned.max_request_tokens == (planned.blocks - 1) * 16


# Layers of full and sliding attention, layers a group, groups: vLLM's
# _get_kv_cache_groups_uniform_page_size worked through by hand.
GEMMA = [
    ("google/gemma-3-1b-it", 4, 22, 4, 7),
    ("google/gemma-3-4b-it", 5, 29, 5, 7),
    ("google/gemma-3-12b-it", 8, 40, 8, 6),
    ("google/gemma-3-27b-it", 10, 52, 10, 7),
]


@pytest.mark.parametrize(("name", "full", "sliding", "size", "groups"), GEMMA)
def test_sliding_layers_share_the_pool_in_groups(
    name: str, full: int, sliding: int, size: int, groups: int
) -> None:
    shape = find_model(name).shape
    planned = plan(shape, A100, 32768, kv_gib=10, max_num_batched_tokens=2048)
    assert (shape.count("full_attention"), shape.count("sliding_attention")) == (full, sliding)
    assert (planned.layout.group_layers, planned.layout.groups) == (size, groups)
    window = -(-(shape.window - 1 + 2048) // 16) + 1
    assert planned.request_blocks == 2048 + (groups - 1) * window


def test_layer_counts_that_hardly_differ_are_padded_not_split() -> None:
    """vLLM's own example: 12 sliding and 13 full layers become two groups of 13."""
    kinds = ["sliding_attention", "full_attention"] * 12 + ["full_attention"]
    shape = replace(find_model("google/gemma-3-4b-it").shape, layers=tuple(kinds))
    planned = plan(shape, A100, 4096, kv_gib=1)
    assert (planned.layout.group_layers, planned.layout.groups) == (13, 2)


# max_num_seqs, max_num_batched_tokens, KV GiB logged on the H200 held to 71.3 GiB.
MEASURED = [(256, 2048, 17.21), (1024, 8192, 14.98)]


@pytest.mark.parametrize(("seqs", "batched", "logged"), MEASURED)
def test_the_estimate_is_near_the_measured_runs(seqs: int, batched: int, logged: float) -> None:
    planned = plan(QWEN, H200_AT_51, 4096, max_num_seqs=seqs, max_num_batched_tokens=batched)
    assert planned.kv_available_gib == pytest.approx(logged, abs=0.4)
    assert planned.kv_low_gib < logged < planned.kv_high_gib
    assert any("an estimate" in line.formula for line in explain(planned))


def test_the_posts_card_lies_within_the_band() -> None:
    planned = plan(QWEN, A100, 4096)
    assert planned.kv_low_gib < 18.3 < planned.kv_high_gib
    assert (planned.max_num_seqs, planned.max_num_batched_tokens) == (256, 2048)


def test_more_sequences_than_blocks_are_refused_with_the_number_that_fits() -> None:
    """h200-0.25.1-max-num-seqs-fail.log: "Please lower max_num_seqs to at most 313"."""
    planned = plan(QWEN, H200_AT_51, 4096, kv_gib=14.98, max_num_seqs=1024)
    assert not planned.fits
    with pytest.raises(PreflightError, match=r"313 fits.*use --max-num-seqs 313"):
        check_ctx(planned)
    assert plan(QWEN, H200_AT_51, 4096, kv_gib=14.98, max_num_seqs=313).fits
    assert plan(QWEN, H200_AT_51, 4096, kv_gib=14.98, max_num_seqs=1024, graphs=False).fits


@pytest.mark.parametrize(
    ("card", "arguments", "seqs", "fewer"),
    [
        (find_gpu("H100-80GB"), {}, 256, True),
        (H200_AT_51, {"kv_gib": 14.98}, 256, True),
        (find_gpu("H100-80GB"), {"graphs": False}, 1024, False),
        (find_gpu("H200"), {}, 1024, False),
        (A100, {}, 256, False),
        (find_gpu("L4"), {}, 256, False),  # nothing fits at all: another matter
    ],
)
def test_a_default_that_does_not_start_is_lowered(
    card: Gpu, arguments: dict[str, Any], seqs: int, fewer: bool
) -> None:
    planned = plan(QWEN, card, 4096, **arguments)
    assert (planned.max_num_seqs, planned.fewer) == (seqs, fewer)
    assert planned.fits == (card.name != "L4-24GB")


def test_a_context_above_the_model_is_refused() -> None:
    planned = plan(QWEN, find_gpu("H200"), 300_000)
    assert (planned.fits, planned.max_ctx) == (False, 262_144)
    with pytest.raises(PreflightError, match="at most 262,144 tokens"):
        check_ctx(planned)


def test_weights_above_the_card_report_what_is_missing() -> None:
    planned = plan(QWEN, find_gpu("L4"), 4096)
    assert (planned.fits, planned.blocks, planned.max_ctx) == (False, 0, 0)
    with pytest.raises(PreflightError, match="GiB more than the budget"):
        check_ctx(planned)


def test_a_plan_that_fits_is_let_through() -> None:
    planned = plan(QWEN, A100, 65536)
    check_ctx(planned)
    assert planned.fits


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tp": 5}, "use one of 1, 2, 4, 8"),
        ({"tp": 0}, "--tp 0"),
        ({"ctx": 0}, "--ctx 0"),
        ({"util": 1.2}, "--util 1.2"),
        ({"quant": "wild"}, "--quant wild is unknown"),
    ],
)
def test_a_wrong_flag_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan(QWEN, A100, **{"ctx": 4096, **arguments})


def test_cards_share_kv_heads_and_states() -> None:
    two = plan(QWEN, A100, 65536, tp=2, kv_gib=17.21)
    assert (two.block_tokens, two.bytes_per_token) == (784, 32_768)
    assert two.blocks == pytest.approx(2 * 359, abs=1)
    eight = plan(QWEN, A100, 65536, tp=8, kv_gib=17.21)
    assert eight.bytes_per_token == 16_384  # four KV heads on eight cards: one whole head each


def test_longer_contexts_and_larger_pools_only_move_one_way() -> None:
    """Seeded draws: concurrency falls with ctx, all capacities grow with util and KV memory."""
    draw = random.Random(7)
    names = ("Qwen/Qwen3.5-27B", "google/gemma-3-27b-it", "Qwen/Qwen3-VL-8B-Instruct")
    for _ in range(60):
        shape = find_model(draw.choice(names)).shape
        low, high = sorted(draw.sample(range(1, 200_000), 2))
        kv = draw.uniform(1, 60)
        shorter, longer = (plan(shape, A100, ctx, kv_gib=kv) for ctx in (low, high))
        assert shorter.concurrency >= longer.concurrency
        assert shorter.fits or not longer.fits
        assert shorter.max_request_tokens == longer.max_request_tokens
        more = plan(shape, A100, low, kv_gib=kv + draw.uniform(0.1, 5))
        assert more.blocks >= shorter.blocks
        assert more.max_request_tokens >= shorter.max_request_tokens
        small, large = sorted(draw.uniform(0.1, 1) for _ in range(2))
        less, rest = (plan(shape, A100, low, util=util) for util in (small, large))
        assert less.kv_available_gib <= rest.kv_available_gib
        assert less.max_ctx <= rest.max_ctx


def test_the_longest_request_is_the_longest() -> None:
    draw = random.Random(11)
    for name in ("Qwen/Qwen3.5-9B", "google/gemma-3-4b-it", "Qwen/Qwen2.5-VL-7B-Instruct"):
        for _ in range(20):
            planned = plan(find_model(name).shape, A100, 4096, kv_gib=draw.uniform(0.5, 40))
            most = planned.max_request_tokens
            assert planned.layout.request_blocks(most) <= planned.blocks - 1
            assert planned.layout.request_blocks(most + 1) > planned.blocks - 1


def test_json_has_exactly_the_promised_keys() -> None:
    shown = json.loads(json.dumps(plan(QWEN, A100, 65536, model="m", kv_gib=17.21).to_json()))
    assert shown == {
        "model": "m",
        "gpu": "A100-80GB",
        "ctx": 65536,
        "weights_gib": 51.08,
        "kv_available_gib": 17.21,
        "kv_band_gib": [17.21, 17.21],
        "block_tokens": 784,
        "blocks": 359,
        "bytes_per_token": 65536,
        "max_request_tokens": 278_320,
        "concurrency": 4.13,
        "fits": True,
        "surely_fits": True,
        "max_ctx": 262_144,
    }


def test_the_table_and_the_formulas_are_shown() -> None:
    def make(ctx: int) -> Plan:
        return plan(QWEN, A100, ctx, kv_gib=17.21, model="Qwen/Qwen3.5-27B")

    out = StringIO()
    console = Console(file=out, width=200)
    plans = table(make)
    print_plans(plans, console)
    print_explanation(plans[1], console)
    shown = out.getvalue()
    for figure in ("270,430", "4.13x", "359 / 87", "16 * ceil(3,207,168", "69,776"):
        assert figure in shown
    assert [planned.ctx for planned in plans] == [4096, 65536, 131072, 262144]


def test_a_start_is_compared_with_its_plan() -> None:
    planned = plan(QWEN, A100, 65536, kv_gib=17.21)
    rows = compare(planned, {"weights_gib": 51.1, "tokens": 270_430, "another": 1})
    assert [row.figure for row in rows] == ["weights", "KV cache size"]
    assert rows[0].difference == pytest.approx(0.02, abs=0.01)
    assert rows[1].difference == 0


def test_the_log_of_an_old_build_is_compared_by_its_own_rule() -> None:
    """The post's start: an old build, 18.3 GiB, 74,480 tokens logged."""
    planned = plan(QWEN, A100, 262_144, kv_gib=18.3, engine=engine_for("0.17.0"))
    (row,) = compare(planned, {"tokens": 74_480})
    assert (row.planned, row.difference) == (74_480, 0)
    output = meaning(MemoryFacts(kv_tokens=74_480, kv_concurrency=1.13), planned)
    assert "382 blocks divided by the 4 groups of layers, which is no limit" in output[0]
    assert "1.13 requests of 262,144 tokens at once" in output[1]
    assert "One request alone could be 262,144 tokens long" in output[2]
    versions = ("0.19.1", "0.20.0", "0.20.1", "0.20.2", "0.21.0", "0.33.0")
    assert [engine_for(v).logs_share for v in versions] == [True, True, False, False, False, False]
    assert [engine_for(v).counts_graphs for v in versions] == [False] * 4 + [True, True]


def test_unknown_names_come_with_suggestions() -> None:
    assert find_gpu("NVIDIA A100-SXM4-80GB") == A100
    assert find_gpu("nvidia h200").memory_mib == 143_771
    with pytest.raises(UsageError, match=r"A100-90GB.*did you mean A100-80GB"):
        find_gpu("A100-90GB")
    with pytest.raises(UsageError, match=r"did you mean .*Qwen/Qwen3.5-27B"):
        find_model("Qwen/Qwen3.5-72B")


def test_a_card_outside_the_catalogue_is_taken_as_the_driver_reports_it() -> None:
    card = reported_gpu("NVIDIA RTX 6000", 49140, "8.9")
    assert card.usable_gib == pytest.approx(47.03)
    assert (card.default_max_num_seqs, card.kernel_block) == (256, 16)


@pytest.mark.parametrize(
    ("name", "version", "seqs", "batched"),
    [
        ("A100-80GB", "0.33.0", 256, 2048),
        ("H100-80GB", "0.33.0", 1024, 8192),
        ("B200", "0.28.0", 1024, 16384),
        ("B300", "0.26.0", 1024, 8192),  # logged: "max_num_batched_tokens=8192"
        ("L4", "0.33.0", 256, 2048),
    ],
)
def test_defaults_follow_the_class_of_card(
    name: str, version: str, seqs: int, batched: int
) -> None:
    planned = plan(QWEN3_8B, find_gpu(name), 4096, engine=engine_for(version))
    assert (planned.max_num_seqs, planned.max_num_batched_tokens) == (seqs, batched)


@pytest.mark.parametrize(
    ("version", "vision", "batched"),
    [("0.20.1", True, 2048), ("0.25.1", True, 2496), ("0.25.1", False, 2048)],
)
def test_a_step_holds_a_whole_video_of_gemma_4(version: str, vision: bool, batched: int) -> None:
    shape = find_model("google/gemma-4-26B-A4B-it").shape
    planned = plan(shape, find_gpu("A100-80GB"), 4096, engine=engine_for(version), vision=vision)
    assert planned.max_num_batched_tokens == batched


def test_a_step_is_at_most_what_all_requests_hold() -> None:
    planned = plan(QWEN3_8B, find_gpu("A100-80GB"), 1024, max_num_seqs=1)
    assert planned.max_num_batched_tokens == 1024


def test_every_card_has_less_usable_than_reported() -> None:
    for card in known_gpus():
        assert 0.93 < card.usable_gib / (card.memory_mib / 1024) < 1
