"""`invoke fit` before any download: which model is meant, and its message where that is unknown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from onecard.commands.fit import fit
from onecard.errors import UsageError
from onecard.fit import NotModelledError, detected_gpu, find_gpu
from onecard.fit.on_host import BoxModel, settle
from onecard.inventory.host import Host
from onecard.reference.documents_schema import check
from onecard.settings.connection import Connection
from onecard.settings.serve_settings import ModelSettings, ServeSettings
from onecard.settings.settings import Settings
from tests.support.facts_support import CARD, box, working
from tests.support.fit_flags import NO_FLAGS, empty_inventory
from tests.support.hub_server import NOT_GRANTED, TOKEN, HubServer, Model

TINY = Path(__file__).parents[3] / "onecard" / "tiny_model" / "tiny-vqa"
CONFIG = (TINY / "config.json").read_bytes()
FACTS = box(driver=working("580.95.05"), gpus=(CARD,))


@pytest.fixture(autouse=True)
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return empty_inventory(tmp_path, monkeypatch)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    models = {
        "some/public": Model({"config.json": CONFIG}),
        "some/gated": Model({"config.json": CONFIG}, access="gated"),
    }
    with HubServer(models).serving("127.0.0.1") as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server


def planned(capsys: pytest.CaptureFixture[str], **given: object) -> dict[str, object]:
    assert fit("", {**NO_FLAGS, **given}, explain=False, as_json=True) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("path", [TINY, TINY / "config.json"])
def test_a_model_of_ones_own_is_read_from_its_folder(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert planned(capsys, model=str(path), gpu="L4")["bytes_per_token"] == 512


def test_a_model_that_nobody_wrote_down_is_queried_of_the_hub(
    hub: HubServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planned(capsys, model="some/public")["bytes_per_token"] == 512
    assert sum(path.endswith("config.json") for path in hub.requests) == 1
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert planned(capsys, model="some/gated")["fits"] is True


@pytest.mark.parametrize(
    ("model", "token", "why"),
    [
        ("some/gated", "", r"denies access to some/gated \(401\).*hf-token"),
        ("some/gated", NOT_GRANTED, r"denies access to some/gated \(403\)"),
        ("some/nothing", "", r"\(401\): it is gated, private or does not exist"),
        ("some/nothing", TOKEN, r"has no config.json of some/nothing \(404\)"),
        ("Qwen/Qwen3.5-72B", "", r"did you mean .*Qwen/Qwen3.5-27B"),
    ],
)
def test_a_model_that_the_hub_does_not_give_is_one_line(
    hub: HubServer, model: str, token: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UsageError, match=why):
        fit("", {**NO_FLAGS, "model": model}, explain=False, as_json=True)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"model": "./no/such/folder"}, "No such file"),
        ({"model": str(TINY / "tokenizer.json") + "x"}, "No such file"),
        ({"model": str(TINY / "model.safetensors")}, "holds no JSON object"),
        ({"vllm": "newest"}, "is not a version such as"),
        ({"ctx": "64q"}, '--ctx: "64q": is not a number of tokens'),
        ({"util": "2"}, "--util: 2 is more than 1"),
        ({"tp": "two"}, '--tp: "two" is not a whole number'),
        ({"tp": "5"}, "--tp 5 does not divide the model"),
        ({"kv_dtype": "fp4"}, "--kv-dtype fp4 is not known"),
        ({"kv_gib": "0"}, "--kv-gib: 0 is not more than 0"),
        ({"max_num_seqs": "0"}, "--max-num-seqs: 0 is less than 1"),
        ({"card_gib": "much"}, '--card-gib: "much" is not a number above 0'),
        ({"card_gib": "80", "gpu": "L4"}, "--card-gib: a card by its memory alone"),
        ({"limit_mm_per_prompt": "{smell: 1}"}, "--limit-mm-per-prompt"),
        ({"speculative_config": "MTP-0"}, "--speculative-config"),
        ({"speculative_config": "{method: mtp"}, "--speculative-config"),
        ({"demand": "4 x 64k", "ctx": "4096"}, "--ctx: not with --for"),
        ({"demand": "4 x 64k", "kv_gib": "9"}, "--kv-gib: not with --for"),
        ({"demand": "1 x 1M"}, "--for: Qwen/Qwen3.5-27B supports at most 262,144 tokens"),
    ],
)
def test_a_bad_word_is_one_line(given: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        fit("", {**NO_FLAGS, **given}, explain=False, as_json=True)


def test_the_rules_of_a_release_can_be_selected(capsys: pytest.CaptureFixture[str]) -> None:
    """By the measured start: 39.89x with 0.25.1; from 0.26 on a request takes three blocks more."""
    given = {"ctx": "4096", "kv_gib": "17.21"}
    assert planned(capsys, **given, vllm="0.25.1")["concurrency"] == 39.89
    assert planned(capsys, **given, vllm="0.33.0")["concurrency"] == round(359 / 12, 2)


def test_each_flag_of_a_start_changes_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    default = planned(capsys)
    for given in (
        {"max_num_seqs": "8"},
        {"max_num_batched_tokens": "8k"},
        {"enforce_eager": True},
        {"speculative_config": "MTP-2"},
        {"limit_mm_per_prompt": "{image: 0, video: 0}"},
        {"card_gib": "96"},
    ):
        assert planned(capsys, **given)["kv_available_gib"] != default["kv_available_gib"]
    assert planned(capsys, prefix_caching=False)["concurrency"] > default["concurrency"]
    assert planned(capsys, prefix_caching=True)["concurrency"] == default["concurrency"]


def test_mtp_n_is_vllms_json_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    config = '{"method": "mtp", "num_speculative_tokens": 2}'
    short = planned(capsys, speculative_config="mtp-2")
    assert short == planned(capsys, speculative_config=config)
    assert short["bytes_per_token"] == 69_632  # 17 layers of 4,096 bytes


def test_for_lists_the_cards_that_serve_the_requests(capsys: pytest.CaptureFixture[str]) -> None:
    given = {**NO_FLAGS, "demand": "4 x 64k", "model": "Qwen/Qwen3.5-27B-FP8"}
    assert fit("", given, explain=False, as_json=True) == 0
    printed = capsys.readouterr().out
    check("fit", printed)
    found = json.loads(printed)
    assert (found["requests"], found["tokens"], found["ordered_by"]) == (4, 65_536, "memory")
    assert fit("", given, explain=False, as_json=False) == 0
    shown = capsys.readouterr().out
    first = found["choices"][0]
    assert f"{first['cards']} x {first['gpu']}" in shown
    assert f"invoke deploy --model Qwen/Qwen3.5-27B-FP8 {first['flags']}" in shown
    assert "for lack of prices" in shown


def test_for_of_one_card_and_what_nothing_serves(capsys: pytest.CaptureFixture[str]) -> None:
    given = {**NO_FLAGS, "demand": "2 x 128k", "gpu": "H100"}
    assert fit("", given, explain=False, as_json=True) == 0
    (only,) = json.loads(capsys.readouterr().out)["choices"]
    assert only["gpu"] == "H100-80GB"
    nothing = {**NO_FLAGS, "demand": "2 x 128k", "gpu": "T4", "tp": "1"}
    assert fit("", nothing, explain=False, as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["choices"] == []
    assert fit("", nothing, explain=False, as_json=False) == 1
    assert "none of the cards that were tried does" in capsys.readouterr().out


def test_for_with_a_host_asks_no_box(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its model and settings count; the address is one that nothing answers."""
    (inventory / "hosts.yml").write_text(
        "all: {hosts: {h100-1: {ansible_host: 192.0.2.1, model: {source: Qwen/Qwen3.5-9B}}}}\n"
    )
    given = {**NO_FLAGS, "demand": "4 x 64k"}
    assert fit("h100-1", given, explain=False, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "Qwen/Qwen3.5-9B"


@pytest.mark.parametrize(
    ("name", "mib", "usable"),
    [
        ("NVIDIA A100-SXM4-80GB", 81_920, 79.2),
        ("NVIDIA H100 80GB HBM3", 81_559, 79.2),
        ("NVIDIA H200", 143_771, 139.8),
        ("NVIDIA A100-SXM4-80GB", 40_192, 38.46),  # a slice of it
        ("NVIDIA Something New", 81_920, 78.4),
    ],
)
def test_a_card_that_is_detected_is_the_catalogues_where_it_is_that_one(
    name: str, mib: int, usable: float
) -> None:
    found = detected_gpu(name, mib, "8.0")
    assert (found.name, found.usable_gib) == (name, usable)
    assert find_gpu("A100").name == "A100-80GB"


def host(**serve: object) -> Host:
    settings = Settings(
        serve=ServeSettings.model_validate(serve), model=ModelSettings(source="Qwen/Qwen3.5-27B")
    )
    return Host("a100-1", Connection("192.0.2.7"), settings)


@pytest.mark.parametrize(
    ("serve", "what"),
    [
        ({"quantization": "bitsandbytes"}, "serve.quantization bitsandbytes"),
    ],
)
def test_what_is_not_modelled_is_no_reason_to_refuse(serve: dict[str, object], what: str) -> None:
    with pytest.raises(NotModelledError, match=what):
        settle(host(**serve), FACTS, BoxModel("", None)).plan()
    assert settle(host(**serve), FACTS).host.settings.serve.max_num_seqs is None


def test_the_kernel_of_a_quantised_checkpoint_is_no_other_method() -> None:
    quantised = host(quantization="awq_marlin")
    config = json.loads(CONFIG) | {
        "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128}
    }
    settings = quantised.settings.model_copy(update={"model": ModelSettings(source="some/awq")})
    found = settle(
        Host("a100-1", Connection("192.0.2.7"), settings), FACTS, BoxModel("0.25.1", config)
    )
    assert found.planned is not None
    assert found.planned.fits


@pytest.mark.parametrize(
    ("ctx", "card", "message"),
    [
        (65_536, "NVIDIA A100-SXM4-80GB", ""),
        (262_144, "NVIDIA H100 80GB HBM3", "close: at the low end of the estimate"),
    ],
)
def test_a_start_that_only_the_estimate_allows_is_reported(
    ctx: int, card: str, message: str
) -> None:
    facts = box(
        driver=working("580.95.05"),
        gpus=(replace(CARD, name=card, memory_total_mib=find_gpu(card).memory_mib),),
    )
    settled = settle(host(ctx=ctx), facts, BoxModel("0.25.1", None))
    settled.refuse()
    assert settled.doubt.startswith(message)
    assert bool(settled.doubt) == bool(message)
    assert replace(settled, planned=None).doubt == ""


def test_only_the_cards_that_the_server_sees_share_the_model() -> None:
    facts = box(driver=working("580.95.05"), gpus=(CARD,) * 4)
    for environment, cards in (({}, 4), ({"CUDA_VISIBLE_DEVICES": "0,1"}, 2)):
        found = settle(host(environment=environment), facts).host.settings.serve.tensor_parallel
        assert found == cards
