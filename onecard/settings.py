"""What a host should become: typed, frozen and strict settings, read from the inventory's YAML.

Unknown keys and wrong types are errors. Each field says its unit. The inventory (inventory.py)
merges the YAML layers and builds a `Settings`; roles read it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=1, le=65535)]
Tokens = Annotated[int, Field(ge=1)]
# YAML knows lists only. Lax here means a list is taken for the tuple; its items stay strict.
Texts = Annotated[tuple[str, ...], Field(strict=False)]

_HOST_NAME = re.compile(r"(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?)+(?<!\.)")


class Model(BaseModel):
    """Base of every settings model: an unknown key is an error, a value never changes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=True
    )


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


def _public_name(value: str) -> str:
    """Return a host name or an address as it is; it goes into a proxy's configuration."""
    if value and not _HOST_NAME.fullmatch(value):
        try:
            ipaddress.ip_address(value)
        except ValueError:
            raise ValueError("is neither a host name nor an address") from None
    return value


def _mailbox(value: str) -> str:
    if value and not re.fullmatch(r"[^\s@'\"-][^\s@'\"]*@[^\s@'\"]+", value):
        raise ValueError("is not an address such as me@example.org")
    return value


class ExposeSettings(Model):
    """How the API is made public with `invoke expose`; nothing is public without it.

    domain: the name, or the address, that clients call.
    email: where Let's Encrypt warns of a certificate's end; may be empty.
    tls: `acme` for a public name (Let's Encrypt), `internal` for a self-signed certificate.
    port: the public one. acme_server: another ACME directory's URL, such as a staging one.
    body_mib: the largest request in MiB; pictures travel in it, a third larger than their files.
    """

    domain: Annotated[str, AfterValidator(_public_name)] = ""
    email: Annotated[str, AfterValidator(_mailbox)] = ""
    tls: Literal["acme", "internal"] = "acme"
    port: Port = 443
    acme_server: Annotated[str, Field(pattern=r"^$|^https://[^\s'\"]+$")] = ""
    body_mib: Annotated[int, Field(ge=1)] = 100


class Settings(Model):
    """Everything the roles read about one host.

    packages: Debian packages beside the ones that onecard itself needs.
    user: the account on the box that the server runs as; `service_user` in the inventory, where
        `user` is the login.
    """

    accelerator: Literal["nvidia", "cpu"] = "nvidia"
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,30}$", alias="service_user")] = (
        "onecard"
    )
    packages: Texts = ()
    python: PythonSettings = PythonSettings()
    vllm: VllmSettings = VllmSettings()
    model: ModelSettings = ModelSettings()
    serve: ServeSettings = ServeSettings()
    expose: ExposeSettings = ExposeSettings()
