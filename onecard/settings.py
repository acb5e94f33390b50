"""What a host should become: typed, frozen and strict settings, read from the inventory's YAML.

Unknown keys and wrong types are errors. Each field says its unit. The inventory (inventory.py)
merges the YAML layers and builds a `Settings`; roles read it.
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from onecard.serve_refusals import refused_argument, refused_variable

if TYPE_CHECKING:
    from typing_extensions import Self

HUB: Final = "https://huggingface.co"

Port = Annotated[int, Field(ge=1, le=65535)]
Tokens = Annotated[int, Field(ge=1)]
# YAML knows lists only. Lax here means a list is taken for the tuple; its items stay strict.
AtLeastOne = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
AUTO: Final = "auto"
REFUSED: Final = "refused"  # the kind of an error whose words say all, without the value
Texts = Annotated[tuple[str, ...], Field(strict=False)]
Value = TypeVar("Value")

_HOST_NAME = re.compile(r"(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?)+(?<!\.)")


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
    """The Python of the virtual environment, and what is installed beside vLLM.

    version: such as `3.12`; empty for the box's own where vLLM runs on it, else 3.12.
    source: `system` (the box has it), `uv` (uv brings one), `auto`: uv where the box has it not.
    packages: further requirements, resolved together with vLLM, such as `openai==2.1.0`.
    """

    version: Annotated[str, Field(pattern=r"^(3\.[0-9]{1,2})?$")] = ""
    source: Literal["auto", "system", "uv"] = "auto"
    packages: Texts = ()


class IndexSettings(Model):
    """Where packages come from. What is empty is taken from the box's own pip settings.

    url: in place of the Python index. extra_urls: private indexes beside it.
    find_links: folders on the box, or pages, with wheels.
    vllm, torch: mirrors of vLLM's and PyTorch's own indexes.
    python_mirror: in place of the place that uv takes interpreters from; python_list: a JSON file
        (on the box, or an address) in place of uv's own list of them.
    """

    url: str = ""
    extra_urls: Texts = ()
    find_links: Texts = ()
    vllm: str = "https://wheels.vllm.ai"
    torch: str = "https://download.pytorch.org/whl"
    python_mirror: str = ""
    python_list: str = ""

    @model_validator(mode="after")
    def _no_password(self) -> Self:
        texts = (self.url, *self.extra_urls, *self.find_links, self.vllm, self.torch)
        if any(re.search(r"//[^/]*@", text) for text in texts):
            raise ValueError(
                "an address holds a name or password; take it out and set "
                "ONECARD_INDEX_CREDENTIALS=name:password in the environment"
            )
        return self


class VllmSettings(Model):
    """Which vLLM build is installed.

    channel: `nightly` (what the newest models need), `release`, or `commit`.
    version: a release's version for `release` (empty: the newest), a commit's full hash for
        `commit`, else empty.
    """

    channel: Literal["nightly", "release", "commit"] = "nightly"
    version: str = ""

    @model_validator(mode="after")
    def _version_fits(self) -> Self:
        if self.channel == "nightly" and self.version:
            raise ValueError("version is for channel release or commit; nightly takes none")
        if self.channel == "commit" and not re.fullmatch(r"[0-9a-f]{40}", self.version):
            raise ValueError(
                "channel commit wants the commit's full hash (40 characters) as version"
            )
        if self.channel == "release" and not re.fullmatch(r"([0-9][\w.+!]*)?", self.version):
            raise ValueError(
                "channel release wants a version such as 0.33.0, or none for the newest"
            )
        return self


def _model_source(value: str) -> str:
    """Return a folder, or what the hub can have as a repository's name (huggingface_hub's rule)."""
    repository = re.fullmatch(r"([\w.-]{1,96}/)?[\w.-]{1,96}", value, re.ASCII)
    if value.startswith(("./", "../", "/")) or (repository and value.strip(".-") == value):
        return value
    raise ValueError(
        "is neither a repository of the hub, such as Qwen/Qwen3.5-27B, nor a folder beginning with "
        "./ or /"
    )


class ModelSettings(Model):
    """The model that is served.

    source: a hub repository (`Qwen/Qwen3.5-27B`), or a folder: one beginning with `./` or `/` lies
        on this computer (relative to the project) and is copied to the box.
    revision: a hub revision to pin (branch, tag or commit); empty for the newest.
    name: the name that the API serves it under; empty for the source itself.
    """

    source: Annotated[str, AfterValidator(_model_source)] = "Qwen/Qwen3.5-27B"
    revision: Annotated[str, Field(pattern=r"^[\w./-]*$")] = ""
    name: str = ""


def _address(value: str) -> str:
    """Return an IP address as it is; a proxy and the box's own questions go to it."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise ValueError("is no IP address") from None
    return value


def _argument(word: str) -> str:
    return _unless(refused_argument(word), word)


def _variables(variables: dict[str, str]) -> dict[str, str]:
    refused = (refused_variable(name, value) for name, value in variables.items())
    return _unless(next(filter(None, refused), ""), variables)


def _unless(refused: str, value: Value) -> Value:
    if refused:
        raise PydanticCustomError(REFUSED, "{words}", {"words": refused})
    return value


class ServeSettings(Model):
    """How the server is started. Each is `vllm serve`'s flag of nearly the same name.

    ctx: context length, prompt plus output, in tokens (`--max-model-len`).
    address: the box's IP address that it listens on (`--host`).
    kv_cache_gib: fixed size of the KV cache in GiB; None lets vLLM take what is free.
    tensor_parallel: cards that share each layer; `auto` for as many as there are and can.
    reasoning_parser: its name, empty for none, `auto` for what the model's preset says.
    tool_call_parser: its name, empty for no tools, `auto` for what the model's preset says.
    limit_mm_per_prompt: kind -> how many a request may hold, such as {"image": 4, "video": 0}.
    mm_processor_cache_gib: memory for prepared pictures, GiB; None for vLLM's own choice.
    speculative_config: `--speculative-config`'s JSON, `auto` for the preset's (MTP), None for none.
    chat_template_kwargs: defaults for every request, such as {"enable_thinking": false}.
    environment: environment variables of the server, such as {NCCL_DEBUG: INFO}; no secrets.
    extra_args: further arguments, passed on verbatim; none that a setting stands for, no secrets.
    ready_timeout: seconds that a start may take until the first answered request.
    rollback: whether a start that fails goes back to the release that was current.
    """

    ctx: Tokens = 4096
    address: Annotated[str, AfterValidator(_address)] = "127.0.0.1"
    port: Port = 8000
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.90
    kv_cache_gib: Annotated[float, Field(gt=0)] | None = None
    kv_cache_dtype: Literal["auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2"] = "auto"
    quantization: str = ""
    max_num_seqs: AtLeastOne | None = None
    max_num_batched_tokens: AtLeastOne | None = None
    tensor_parallel: AtLeastOne | Literal["auto"] = AUTO
    pipeline_parallel: AtLeastOne = 1
    reasoning_parser: str = AUTO
    tool_call_parser: str = ""
    limit_mm_per_prompt: dict[Literal["image", "video", "audio"], NotNegative] = {}
    mm_processor_cache_gib: Annotated[float, Field(ge=0)] | None = None
    mm_processor_cache_type: Literal["", "lru", "shm"] = ""
    language_model_only: bool = False
    speculative_config: dict[str, Any] | Literal["auto"] | None = None
    chat_template_kwargs: dict[str, Any] = {}
    enable_prefix_caching: bool | None = None
    enforce_eager: bool = False
    environment: Annotated[dict[str, str], AfterValidator(_variables)] = {}
    extra_args: Annotated[
        tuple[Annotated[str, AfterValidator(_argument)], ...], Field(strict=False)
    ] = ()
    ready_timeout: AtLeastOne = 1800
    rollback: bool = True

    @property
    def visible_cards(self) -> tuple[str, ...] | None:
        """Return the cards that the server sees, as CUDA names them; None for all of the box's."""
        named = self.environment.get("CUDA_VISIBLE_DEVICES")
        if named is None:
            return None
        return tuple(name for name in named.replace(" ", "").split(",") if name)


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


def _not_root(value: str) -> str:
    """Refuse root: the server has an account of its own, which teardown removes with its files."""
    if value == "root":
        raise ValueError("the server runs as an account of its own; name another")
    return value


class Settings(Model):
    """Everything the roles read about one host.

    packages: Debian packages beside the ones that onecard itself needs.
    wheelhouse: a folder of wheels here, for a box without internet (`invoke wheelhouse` fills one);
        empty to install from indexes.
    allow_reboot: reboot the box where a change needs it, as `provision --reboot` does.
    reboot_timeout: seconds that the box may take to come back.
    user: the account on the box that the server runs as; `service_user` in the inventory, where
        `user` is the login.
    """

    accelerator: Literal["nvidia", "cpu"] = "nvidia"
    user: Annotated[
        str,
        Field(pattern=r"^[a-z_][a-z0-9_-]{0,30}$", alias="service_user"),
        AfterValidator(_not_root),
    ] = "onecard"
    packages: Texts = ()
    allow_reboot: bool = False
    reboot_timeout: Annotated[int, Field(ge=1)] = 900
    driver: DriverSettings = DriverSettings()
    hub: HubSettings = HubSettings()
    python: PythonSettings = PythonSettings()
    indexes: IndexSettings = IndexSettings()
    wheelhouse: str = ""
    vllm: VllmSettings = VllmSettings()
    model: ModelSettings = ModelSettings()
    serve: ServeSettings = ServeSettings()
    expose: ExposeSettings = ExposeSettings()
