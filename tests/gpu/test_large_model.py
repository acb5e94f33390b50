"""A large model on a pod with a real GPU: what the card holds, measured, and its report.

The shapes are those of Qwen3.5-27B, the weights are random: nothing of 54 GB needs to be carried to a
machine without a network, and memory and times are the model's. Its answers are wrong by design.

ONECARD_GPU_FOLDER=FOLDER pytest tests/gpu/test_large_model.py -m gpu
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from onecard.fit.catalogue.read import find_model
from tests.gpu.conftest import PROJECT, Controller

pytestmark = pytest.mark.gpu

SHAPES = "Qwen/Qwen3.5-27B"
TOKENIZER = PROJECT / "onecard" / "tiny_model" / "tiny-vqa"
# An 80 GB card's share of the card that the tests have, in the default of 0.9.
UTILIZATION = os.environ.get("ONECARD_GPU_UTILIZATION", "0.51")


def make_model(folder: Path) -> None:
    """Write config.json with the shapes, beside a tokenizer of 500 words; no weights."""
    folder.mkdir(exist_ok=True)
    for file in TOKENIZER.iterdir():
        if file.name not in {"model.safetensors", "config.json"}:
            shutil.copy(file, folder)
    config = json.loads((TOKENIZER / "config.json").read_text())
    shapes = find_model(SHAPES).config
    for part in ("text_config", "vision_config"):
        config[part].update(shapes[part])
    # transformers derives the kinds of the layers from full_attention_interval.
    config["text_config"].pop("layer_types")
    config["text_config"]["rope_parameters"].update(
        rope_theta=10_000_000, mrope_section=[11, 11, 10]
    )
    config["vision_config"]["num_heads"] = 16
    config["text_config"]["tie_word_embeddings"] = config["tie_word_embeddings"] = False
    (folder / "config.json").write_text(json.dumps(config, indent=1))


@pytest.fixture(scope="module")
def large(controller: Controller) -> Controller:
    """The controller, with the large model in the pod's settings."""
    model = controller.folder / "qwen3.5-27b-shapes"
    make_model(model)
    path = controller.folder / "inventory" / "host_vars" / "gpupod.yml"
    path.parent.mkdir(exist_ok=True)
    serve = {
        "ctx": 65536,
        "gpu_memory_utilization": float(UTILIZATION),
        "environment": {"VLLM_USE_FLASHINFER_SAMPLER": "0"},
        "extra_args": ["--gdn-prefill-backend", "triton", "--load-format", "dummy"],
    }
    values = {
        "model": {"source": str(model), "name": "qwen3.5-27b-shapes"},
        "serve": serve,
        "price_per_hour": 3.0,
    }
    path.write_text(yaml.safe_dump(values))
    return controller


def test_provision_fills_the_compile_caches(large: Controller) -> None:
    large.invoke("provision", "--host", "gpupod", "--warm")


def test_deploy_starts_from_them(large: Controller) -> None:
    served = large.json("deploy", "--host", "gpupod")
    assert served["memory"]["concurrency"] == pytest.approx(
        served["planned"]["concurrency"], rel=0.1
    )


def test_it_holds_what_vllm_logs(large: Controller) -> None:
    found = large.json("certify", "--host", "gpupod")
    assert found["held"]
    assert found["kv_use"] == pytest.approx(found["kv_use_expected"], abs=0.1)


def test_what_its_caches_reuse(large: Controller) -> None:
    found = large.json("cache", "--host", "gpupod")
    assert len(found["turns"]) == 3


def test_a_short_soak_leaves_nothing_behind(large: Controller) -> None:
    found = large.json("soak", "--host", "gpupod", "--for", "60s", "--rate", "1")
    assert found["counts"]["failed"] == 0


def test_its_load(large: Controller) -> None:
    words = (
        "--concurrency 1,4 --rates 1 --images 1 --requests 8 --input-tokens 512 --output-tokens 64"
    )
    large.invoke(
        "bench", "--host", "gpupod", *words.split(), "--repeats", "2", "--most-repeats", "2"
    )


def test_its_contexts(large: Controller) -> None:
    """Random weights answer no question rightly, which `scale` calls failed."""
    rows: list[dict[str, Any]] = large.json(
        "scale", "--host", "gpupod", "--ctx", "65536,262144", code=1
    )["rows"]
    assert [(row["ctx"], row["long_request"]["answered"]) for row in rows] == [
        (65536, True),
        (262144, True),
    ]


def test_its_report(large: Controller) -> None:
    for form in ("html", "md", "json"):
        large.invoke(
            "report", "--host", "gpupod", "--format", form,
            "--out", str(large.folder / f"report.{form}"),
        )  # fmt: skip
