"""What a host should become: typed, frozen and strict settings, read from the inventory's YAML.

Unknown keys and wrong types are errors. Each field says its unit. The inventory (inventory.py)
merges the YAML layers and builds a `Settings`; roles read it.
"""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

HUB = "https://huggingface.co"

Port = Annotated[int, Field(ge=1, le=65535)]
Tokens = Annotated[int, Field(ge=1)]
# YAML knows lists only. Lax here means a list is taken for the tuple; its items stay strict.
Texts = Annotated[tuple[str, ...], Field(strict=False)]


class Model(BaseModel):
    """Base of every settings model: an unknown key is an error, a value never changes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=True
    )


class DriverSettings(Model):
    """Which NVIDIA driver is wanted, and from where.

    branch: the oldest branch that is good enough, and the one that is installed where none is.
    source: `ubuntu` (the distribution's archive), `nvidia` (NVIDIA's repository), `none` (never
        touch the driver), or `auto`: the archive on Ubuntu, NVIDIA's repository on Debian.
    """

    branch: Annotated[int, Field(ge=525, le=999)] = 580
    source: Literal["auto", "ubuntu", "nvidia", "none"] = "auto"


class HubSettings(Model):
    """Where models come from.

    endpoint: the Hugging Face hub, or a mirror of it; empty for HF_ENDPOINT of this computer's
        environment, else the hub itself.
    """

    endpoint: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""

    @property
    def url(self) -> str:
        """Return where the hub is, without a slash at the end."""
        return (self.endpoint or os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


class PythonSettings(Model):
    """The interpreter that the box's virtual environment is made with."""

    interpreter: str = "python3"


class VllmSettings(Model):
    """Which vLLM build is installed.

    channel: `nightly` (what the newest models need), `release`, or `commit`.
    version: a release's version for `release`, a commit's full hash for `commit`, else empty.
    """

    channel: Literal["nightly", "release", "commit"] = "nightly"
    version: str = ""


class ModelSettings(Model):
    """The model that is served.

    source: a hub repository (`Qwen/Qwen3.5-27B`), or a folder: one beginning with `./` or `/` lies
        on this computer (relative to the project) and is copied to the box.
    revision: a hub revision to pin (branch, tag or commit); empty for the newest.
    name: the name that the API serves it under; empty for the source itself.
    """

    source: str = "Qwen/Qwen3.5-27B"
    revision: str = ""
    name: str = ""


class ServeSettings(Model):
    """How the server is started. Each is `vllm serve`'s flag of nearly the same name.

    ctx: context length, prompt plus output, in tokens (`--max-model-len`).
    kv_cache_gib: fixed size of the KV cache in GiB; None lets vLLM take what is free.
    extra_args: further arguments, passed on verbatim.
    ready_timeout: seconds that a start may take until the first answered request.
    """

    ctx: Tokens = 4096
    address: str = "127.0.0.1"
    port: Port = 8000
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.90
    kv_cache_gib: Annotated[float, Field(gt=0)] | None = None
    max_num_seqs: Annotated[int, Field(ge=1)] | None = None
    max_num_batched_tokens: Annotated[int, Field(ge=1)] | None = None
    tensor_parallel: Annotated[int, Field(ge=1)] = 1
    reasoning_parser: str = "qwen3"
    enforce_eager: bool = False
    extra_args: Texts = ()
    ready_timeout: Annotated[int, Field(ge=1)] = 1800


class Settings(Model):
    """Everything the roles read about one host.

    packages: Debian packages beside the ones that onecard itself needs.
    allow_reboot: reboot the box where a change needs it, as `provision --reboot` does.
    reboot_timeout: seconds that the box may take to come back.
    user: the account on the box that the server runs as; `service_user` in the inventory, where
        `user` is the login.
    """

    accelerator: Literal["nvidia", "cpu"] = "nvidia"
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,30}$", alias="service_user")] = (
        "onecard"
    )
    packages: Texts = ()
    allow_reboot: bool = False
    reboot_timeout: Annotated[int, Field(ge=1)] = 900
    driver: DriverSettings = DriverSettings()
    hub: HubSettings = HubSettings()
    python: PythonSettings = PythonSettings()
    vllm: VllmSettings = VllmSettings()
    model: ModelSettings = ModelSettings()
    serve: ServeSettings = ServeSettings()
