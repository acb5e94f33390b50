"""Read the models, cards and presets that are known offline."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from onecard.errors import UsageError
from onecard.fit.catalogue.gpu import Gpu, reported_gpu
from onecard.fit.shape.config import parse_config
from onecard.fit.shape.errors import NotModelledError
from onecard.fit.shape.model_shape import ModelShape

_DATA = Path(__file__).parent
_SAME_MIB = 1024  # drivers and ECC settings report one card a few hundred MiB apart


@dataclass(frozen=True)
class KnownModel:
    """A model of the catalogue: hub name, shape, and where the values were read.

    config: the keys of its config.json that `parse_config` reads.
    """

    name: str
    shape: ModelShape
    source: str
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Return twelve hexadecimal digits that change with the config."""
        text = json.dumps(self.config, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def find_model(name: str) -> KnownModel:
    """Return the model with this hub name (case does not matter).

    Raises:
        UsageError: no such model; the message suggests the nearest names.
    """
    known = known_models()
    found = known.get(name.lower())
    if found is None:
        names = sorted({model.name for model in known.values()})
        raise UsageError(
            f"--model {name} is not in the catalogue{_suggestion(name, names)} (a folder or "
            "config.json of your own begins with ./ or /)"
        )
    return found


def find_gpu(name: str) -> Gpu:
    """Return the card with this name or alias, as nvidia-smi or a vendor writes it.

    Raises:
        UsageError: no such card; the message suggests the nearest names.
        NotModelledError: the card's kind is known and not modelled.
    """
    known = _gpus_by_name()
    found = known.get(_plain(name))
    for kind in () if found else _load("gpus.yml")["not_modelled"]:
        if _plain(name) in map(_plain, kind["names"]):
            raise NotModelledError(f"--gpu {name} is not modelled: {kind['reason']}")
    if found is None:
        names = sorted({gpu.name for gpu in known.values()})
        raise UsageError(f"--gpu {name} is not in the catalogue{_suggestion(name, names)}")
    return found


def detected_gpu(name: str, memory_mib: int | None, compute_capability: str = "") -> Gpu:
    """Return the card that nvidia-smi shows, with the catalogue's figures where it is listed.

    A slice of a card, or another memory size under the same name, is not in the catalogue.
    memory_mib: None where nvidia-smi does not show it (GB10: [N/A]).
    Raises NotModelledError for a card of which neither knows the memory.
    """
    known = _gpus_by_name().get(_plain(name))
    if memory_mib is None:
        if known is None:
            raise NotModelledError(f"the memory of {name} is not known")
        return replace(known, name=name)
    if known is None or abs(known.memory_mib - memory_mib) > _SAME_MIB:
        return reported_gpu(name, memory_mib, compute_capability)
    return replace(known, name=name)


def find_preset(name: str) -> Mapping[str, Any] | None:
    """Return the serving flags of vLLM's recipe for a model; None without a recipe."""
    for preset in _load("presets.yml")["presets"]:
        if name.lower() in {model.lower() for model in preset["models"]}:
            return dict(preset)
    return None


@cache
def known_models() -> Mapping[str, KnownModel]:
    """Return every model of the catalogue by lower-case name and alias."""
    known: dict[str, KnownModel] = {}
    for file in sorted((_DATA / "models").glob("*.yml")):
        family = yaml.safe_load(file.read_text(encoding="utf-8"))
        for entry in family["models"]:
            for name, config in _forms(entry):
                known[name.lower()] = KnownModel(
                    name, parse_config(config), family["source"], config
                )
            for alias in entry.get("aliases", ()):
                known[alias.lower()] = known[entry["name"].lower()]
    return known


def known_gpus() -> tuple[Gpu, ...]:
    """Return every card of the catalogue."""
    return tuple(
        Gpu(
            name=entry["name"],
            memory_mib=entry["memory_mib"],
            usable_gib=entry["usable_gib"],
            compute_capability=entry["compute_capability"],
            aliases=tuple(entry["aliases"]),
            largest_util=entry.get("largest_util", 1.0),
            most_in_a_box=entry.get("most_in_a_box", 8),
            note=entry.get("note", ""),
        )
        for entry in _load("gpus.yml")["gpus"]
    )


@cache
def _gpus_by_name() -> Mapping[str, Gpu]:
    return {_plain(name): gpu for gpu in known_gpus() for name in (gpu.name, *gpu.aliases)}


def _forms(entry: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    forms = [(entry["name"], entry["config"])]
    for variant in entry.get("variants", ()):
        extra = {key: variant[key] for key in ("quantization_config",) if key in variant}
        forms.append((variant["name"], {**entry["config"], **extra}))
    return forms


def _load(name: str) -> dict[str, Any]:
    text = (_DATA / name).read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def _plain(name: str) -> str:
    return name.lower().removeprefix("nvidia ").removeprefix("amd ").replace(" ", "-")


def _suggestion(name: str, names: list[str]) -> str:
    lowered = {known.lower(): known for known in names}
    near = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.5)
    return f": did you mean {' or '.join(lowered[item] for item in near)}?" if near else ""
