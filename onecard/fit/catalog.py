"""The models, cards and presets that are known without asking anyone."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from onecard.errors import UsageError
from onecard.fit.config import parse_config
from onecard.fit.gpu import Gpu, reported_gpu
from onecard.fit.shape import ModelShape

_DATA = Path(__file__).parent.parent / "data"
_SAME_MIB = 1024  # drivers and ECC settings report one card a few hundred MiB apart


@dataclass(frozen=True)
class KnownModel:
    """A model of the catalogue: hub name, shape, and where the values were read."""

    name: str
    shape: ModelShape
    source: str


def find_model(name: str) -> KnownModel:
    """The model with this hub name (case does not matter).

    Raises:
        UsageError: no such model; the message suggests the nearest names.
    """
    known = known_models()
    found = known.get(name.lower())
    if found is None:
        names = sorted({model.name for model in known.values()})
        raise UsageError(
            f"--model {name} is not in the catalogue{_suggestion(name, names)}; a folder or "
            "config.json of your own begins with ./ or /"
        )
    return found


def find_gpu(name: str) -> Gpu:
    """The card with this name or alias, as nvidia-smi or a vendor writes it.

    Raises:
        UsageError: no such card; the message suggests the nearest names.
    """
    known = _gpus_by_name()
    found = known.get(_plain(name))
    if found is None:
        names = sorted({gpu.name for gpu in known.values()})
        raise UsageError(f"--gpu {name} is not in the catalogue{_suggestion(name, names)}")
    return found


def seen_gpu(name: str, memory_mib: int, compute_capability: str = "") -> Gpu:
    """The card that nvidia-smi shows: the catalogue's where it is that one, under its own name.

    A slice of a card, or another memory size under the same name, is none of the catalogue's.
    """
    known = _gpus_by_name().get(_plain(name))
    if known is None or abs(known.memory_mib - memory_mib) > _SAME_MIB:
        return reported_gpu(name, memory_mib, compute_capability)
    return replace(known, name=name)


def find_preset(name: str) -> Mapping[str, Any] | None:
    """The serving flags that vLLM's recipes give for a model; None when they have none."""
    for preset in _load("presets.yml")["presets"]:
        if name.lower() in {model.lower() for model in preset["models"]}:
            return dict(preset)
    return None


@cache
def known_models() -> Mapping[str, KnownModel]:
    """Every model of the catalogue by lower-case name and alias."""
    known: dict[str, KnownModel] = {}
    for file in sorted((_DATA / "models").glob("*.yml")):
        family = yaml.safe_load(file.read_text(encoding="utf-8"))
        for entry in family["models"]:
            for name, config in _forms(entry):
                known[name.lower()] = KnownModel(name, parse_config(config), family["source"])
            for alias in entry.get("aliases", ()):
                known[alias.lower()] = known[entry["name"].lower()]
    return known


def known_gpus() -> tuple[Gpu, ...]:
    """Every card of the catalogue."""
    return tuple(
        Gpu(
            name=entry["name"],
            memory_mib=entry["memory_mib"],
            usable_gib=entry["usable_gib"],
            compute_capability=entry["compute_capability"],
            aliases=tuple(entry["aliases"]),
        )
        for entry in _load("gpus.yml")["gpus"]
    )


@cache
def _gpus_by_name() -> Mapping[str, Gpu]:
    return {_plain(name): gpu for gpu in known_gpus() for name in (gpu.name, *gpu.aliases)}


def _forms(entry: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    forms = [(entry["name"], entry["config"])]
    for variant in entry.get("variants", ()):
        extra = {"quantization_config": variant["quantization_config"]}
        forms.append((variant["name"], {**entry["config"], **extra}))
    return forms


def _load(name: str) -> dict[str, Any]:
    text = (_DATA / name).read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def _plain(name: str) -> str:
    return name.lower().removeprefix("nvidia ").replace(" ", "-")


def _suggestion(name: str, names: list[str]) -> str:
    lowered = {known.lower(): known for known in names}
    near = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.4)
    return f": did you mean {' or '.join(lowered[item] for item in near)}?" if near else ""
