"""`invoke fit` before any download: which model is meant, and what it says where it can't tell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from facts_support import CARD, box, working

from onecard.commands.fit import fit
from onecard.errors import UsageError
from onecard.fit import NotModelledError, find_gpu, seen_gpu
from onecard.host import Connection, Host
from onecard.host_fit import (
    BoxModel,
    doubt,
    plan_for,
    refuse_what_cannot_start,
    settled,
)
from onecard.settings import ModelSettings, ServeSettings, Settings
from tests.support.hub_server import NOT_GRANTED, TOKEN, HubServer, Model

GIVEN = dict.fromkeys(("model", "gpu", "ctx", "util", "kv_dtype", "kv_gib", "tp", "quant", "vllm"))
TINY = Path(__file__).parents[2] / "onecard" / "data" / "tiny-vqa"
CONFIG = (TINY / "config.json").read_bytes()
FACTS = box(driver=working("580.95.05"), gpus=(CARD,))


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


def planned(capsys: pytest.CaptureFixture[str], **given: str) -> dict[str, object]:
    assert fit("", {**GIVEN, **given}, explain=False, as_json=True) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("path", [TINY, TINY / "config.json"])
def test_a_model_of_ones_own_is_read_from_its_folder(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert planned(capsys, model=str(path), gpu="L4")["bytes_per_token"] == 512


def test_a_model_that_nobody_wrote_down_is_asked_of_the_hub(
    hub: HubServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planned(capsys, model="some/public")["bytes_per_token"] == 512
    assert len(hub.requests) == 1
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert planned(capsys, model="some/gated")["fits"] is True


@pytest.mark.parametrize(
    ("model", "token", "why"),
    [
        ("some/gated", "", r"some/gated to nobody without leave \(401\).*hf-token"),
        ("some/gated", NOT_GRANTED, r"without leave \(403\)"),
        ("some/nothing", "", r"without leave \(401\): it is gated, private or not there"),
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
        fit("", {**GIVEN, "model": model}, explain=False, as_json=True)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"model": "./no/such/folder"}, "No such file"),
        ({"model": str(TINY / "tokenizer.json") + "x"}, "No such file"),
        ({"model": str(TINY / "model.safetensors")}, "holds no JSON object"),
        ({"vllm": "newest"}, "is no version such as"),
    ],
)
def test_a_bad_word_is_one_line(given: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        fit("", {**GIVEN, **given}, explain=False, as_json=True)


def test_the_rules_of_a_release_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """By the measured start: 39.89x with 0.25.1; from 0.26 on a request takes three blocks more."""
    given = {"ctx": "4096", "kv_gib": "17.21"}
    assert planned(capsys, **given)["concurrency"] == 39.89
    assert planned(capsys, **given, vllm="0.33.0")["concurrency"] == round(359 / 12, 2)


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
def test_a_card_that_is_seen_is_the_catalogues_where_it_is_that_one(
    name: str, mib: int, usable: float
) -> None:
    found = seen_gpu(name, mib, "8.0")
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
        ({"pipeline_parallel": 2}, "pipeline parallelism"),
        ({"quantization": "bitsandbytes"}, "serve.quantization bitsandbytes"),
    ],
)
def test_what_is_not_modelled_is_no_reason_to_refuse(serve: dict[str, object], what: str) -> None:
    with pytest.raises(NotModelledError, match=what):
        plan_for(host(**serve), FACTS, BoxModel("", None))
    assert settled(host(**serve), FACTS).settings.serve.max_num_seqs is None


def test_the_kernel_of_a_quantised_checkpoint_is_no_other_method() -> None:
    quantised = host(quantization="awq_marlin")
    config = json.loads(CONFIG) | {
        "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128}
    }
    settings = quantised.settings.model_copy(update={"model": ModelSettings(source="some/awq")})
    found = plan_for(
        Host("a100-1", Connection("192.0.2.7"), settings), FACTS, BoxModel("0.25.1", config)
    )
    assert found.fits


@pytest.mark.parametrize(
    ("ctx", "card", "says"),
    [
        (65_536, "NVIDIA A100-SXM4-80GB", ""),
        (262_144, "NVIDIA H100 80GB HBM3", "close: at the low end of the estimate"),
    ],
)
def test_a_start_that_only_the_estimate_allows_is_told(ctx: int, card: str, says: str) -> None:
    facts = box(
        driver=working("580.95.05"),
        gpus=(replace(CARD, name=card, memory_total_mib=find_gpu(card).memory_mib),),
    )
    told = doubt(refuse_what_cannot_start(host(ctx=ctx), facts, BoxModel("0.25.1", None)))
    assert told.startswith(says)
    assert bool(told) == bool(says)
    assert doubt(None) == ""


def test_only_the_cards_that_the_server_sees_share_the_model() -> None:
    facts = box(driver=working("580.95.05"), gpus=(CARD,) * 4)
    for environment, cards in (({}, 4), ({"CUDA_VISIBLE_DEVICES": "0,1"}, 2)):
        found = settled(host(environment=environment), facts).settings.serve.tensor_parallel
        assert found == cards
