"""A model's config.json, whatever it holds: a plan, or an error of onecard's."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from onecard import fit
from onecard.errors import OnecardError
from onecard.fit.catalogue.read import _forms, known_gpus
from onecard.project import PROJECT
from tests.unit.fuzz.texts import JSON, changed

ONECARD = PROJECT / "onecard"
GPU = known_gpus()[0]


@cache
def configs() -> list[dict[str, Any]]:
    found = [json.loads((ONECARD / "tiny_model" / "tiny-vqa" / "config.json").read_text())]
    for file in sorted((ONECARD / "fit" / "catalogue" / "models").glob("*.yml")):
        entries = yaml.safe_load(file.read_text())["models"]
        found += [config for entry in entries for _, config in _forms(entry)]
    quantised = (
        {"quant_method": "fp8", "weight_block_size": [128, 128], "modules_to_not_convert": ["a"]},
        {"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {"-:a": {}}},
        {"quant_method": "compressed-tensors", "ignore": ["re:.*head"], "config_groups": {
            "group_0": {"weights": {"num_bits": 8, "group_size": 32, "block_structure": [1, 2]}}}},
    )  # fmt: skip
    return [json.loads(json.dumps(each)) for each in found] + [
        {**found[-1], "quantization_config": each} for each in quantised
    ]


@given(changed(configs), st.sampled_from([1, 2, 3]), st.booleans())
def test_a_config_json(config: dict[str, Any], tp: int, drafts: bool) -> None:
    with suppress(OnecardError):
        shape = fit.parse_config(config)
        fit.plan(shape, GPU, 4096, tp=tp, draft_tokens=int(drafts))


JUNK = (
    "",
    "x",
    "re:(",
    0,
    1,
    -1,
    3,
    10**12,
    2.5,
    True,
    None,
    [],
    ["x"],
    [0],
    [[1]],
    {},
    {"a": 1},
    {"-:(": 1},
)
# What a family's config may leave out, and what is read all the same.
MORE = {
    "layer_types": ["full_attention"], "sliding_window": 512, "sliding_window_pattern": 6,
    "full_attention_interval": 4, "mlp_only_layers": [0], "decoder_sparse_step": 1, "head_dim": 128,
    "num_experts": 0, "use_sliding_window": True, "deepstack_visual_indexes": [1],
}  # fmt: skip


def places(document: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in document.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


def test_every_value_of_a_config_json_as_junk() -> None:
    """One config of each family, each of its values in turn replaced by each kind of junk."""
    families = {
        (
            each.get("model_type"),
            "num_experts" in str(each),
            str(each.get("quantization_config")),
        ): each
        for each in configs()
    }
    assert len(families) > 5
    for config in families.values():
        inner = "text_config" if "text_config" in config else ""
        for place in {*places(config), *((inner, key) if inner else (key,) for key in MORE)}:
            for junk in JUNK:
                document = copy.deepcopy(config)
                below = document
                for key in place[:-1]:
                    below = below[key]
                below[place[-1]] = junk
                with suppress(OnecardError):
                    fit.plan(fit.parse_config(document), GPU, 4096)


@given(JSON.filter(lambda value: isinstance(value, dict)))
def test_a_config_json_of_another_kind(config: dict[str, Any]) -> None:
    with suppress(OnecardError):
        fit.parse_config(config)
