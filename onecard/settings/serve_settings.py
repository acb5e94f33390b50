"""The settings of the model and of its server, and which flag of `vllm serve` each becomes."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from onecard.settings.option import DeployFlag, VllmFlag, options
from onecard.settings.serve_refusals import refused_argument, refused_variable
from onecard.settings.setting_model import (
    AUTO,
    MAXIMUM,
    REFUSED,
    AtLeastOne,
    Model,
    NotNegative,
    Port,
)
from onecard.settings.setting_texts import (
    LONGEST_ARGUMENT,
    Line,
    Name,
    Revision,
    Word,
    one_line,
)
from onecard.settings.token_count import Tokens

if TYPE_CHECKING:
    from typing_extensions import Self

Value = TypeVar("Value")


def _model_source(value: str) -> str:
    """Return the value if it is a folder or a valid repository name (huggingface_hub's rule)."""
    repository = re.fullmatch(r"([\w.-]{1,96}/)?[\w.-]{1,96}", value, re.ASCII)
    if value.startswith(("./", "../", "/")) or (repository and value.strip(".-") == value):
        return value
    raise ValueError(
        "is neither a repository of the hub, such as Qwen/Qwen3.5-27B, nor a folder beginning with "
        "./ or /"
    )


class ModelSettings(Model):
    """The model that is served."""

    source: Annotated[
        Line,
        AfterValidator(_model_source),
        VllmFlag("--model", special=True),
        DeployFlag("model"),
    ] = "Qwen/Qwen3.5-27B"
    """a hub repository, or a folder here that begins with ./ or /"""
    revision: Annotated[Revision, VllmFlag("--revision", special=True)] = ""
    """a branch, tag or commit on the hub; empty for the newest"""
    name: Annotated[
        Name, VllmFlag("--served-model-name", special=True), DeployFlag("served_name")
    ] = ""
    """the name that the API serves the model under; empty for the source itself"""

    @model_validator(mode="after")
    def _folder_can_be_a_name(self) -> Self:
        if not self.name and PurePath(self.source).name.startswith("-"):
            raise ValueError("the folder's name begins with a dash; set model.name too")
        return self


def _address(value: str) -> str:
    """Return the value if it is an IP address; the proxy and the startup check connect to it."""
    try:
        # Behind a % the library accepts any text as the zone of an IPv6 address.
        address, sign, zone = value.partition("%")
        ipaddress.ip_address(f"{address}%0" if sign else address)
        if sign and not re.fullmatch(r"[\w.-]{1,15}", zone, re.ASCII):
            raise ValueError
    except ValueError:
        raise ValueError("is not an IP address") from None
    return value


def _argument(word: str) -> str:
    return _checked(word, refused_argument(one_line(word, LONGEST_ARGUMENT), vllm_flags()))


def _arguments(words: tuple[str, ...]) -> tuple[str, ...]:
    error = "the first is not an option: each option begins with -, and its values follow it"
    return _checked(words, error if words and not words[0].startswith("-") else "")


def _variables(variables: dict[str, str]) -> dict[str, str]:
    refused = (refused_variable(name, value) for name, value in variables.items())
    return _checked(variables, next(filter(None, refused), ""))


def _checked(value: Value, error: str) -> Value:
    """Return the value. Raises pydantic's error unless `error` is empty."""
    if error:
        raise PydanticCustomError(REFUSED, "{error}", {"error": error})
    return value


def _json(value: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return _checked(value, "it holds a number that JSON does not have")
    return value


def _speculation(value: dict[str, Any]) -> dict[str, Any]:
    drafted = value.get("num_speculative_tokens", 1)
    whole = isinstance(drafted, int) and not isinstance(drafted, bool) and drafted > 0
    return _checked(value, "" if whole else "num_speculative_tokens must be a whole number above 0")


Json = Annotated[dict[str, Any], AfterValidator(_json)]


class ServeSettings(Model):
    """How the server is started. Each is `vllm serve`'s flag of nearly the same name."""

    ctx: Annotated[Tokens, VllmFlag("--max-model-len", special=True)] = 4096
    """context length in tokens, prompt plus output; 128k is 131,072, 1M is 1,048,576"""
    address: Annotated[str, AfterValidator(_address), VllmFlag("--host", special=True)] = (
        "127.0.0.1"
    )
    """IP address of the box that the server listens on"""
    port: Annotated[Port, VllmFlag("--port", special=True)] = 8000
    """the server's port on the box"""
    gpu_memory_utilization: Annotated[
        float, Field(gt=0, le=1), VllmFlag("--gpu-memory-utilization", special=True)
    ] = 0.90
    """share of the card's memory that vLLM may take, above 0, at most 1"""
    kv_cache_gib: Annotated[
        Annotated[float, Field(gt=0, le=MAXIMUM)] | None,
        VllmFlag("--kv-cache-memory-bytes", special=True),
    ] = None
    """KV cache of a fixed size in GiB; null takes what is free"""
    kv_cache_dtype: Annotated[
        Literal["auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2"], VllmFlag("--kv-cache-dtype")
    ] = "auto"
    """data type of the KV cache; auto for the model's own"""
    quantization: Annotated[Word, VllmFlag("--quantization", "-q")] = ""
    """quantization method, where the model's files do not say it"""
    max_num_seqs: Annotated[AtLeastOne | None, VllmFlag("--max-num-seqs")] = None
    """requests that are processed at once, at most; null for vLLM's own"""
    max_num_batched_tokens: Annotated[Tokens | None, VllmFlag("--max-num-batched-tokens")] = None
    """tokens in one step, at most; null for vLLM's own"""
    tensor_parallel: Annotated[
        AtLeastOne | Literal["auto"], VllmFlag("--tensor-parallel-size", "-tp", special=True)
    ] = AUTO
    """cards that share each layer; auto for as many as there are and the model can use"""
    pipeline_parallel: Annotated[AtLeastOne, VllmFlag("--pipeline-parallel-size", "-pp")] = 1
    """groups of cards that share the layers"""
    reasoning_parser: Annotated[Word, VllmFlag("--reasoning-parser", special=True)] = AUTO
    """its name; auto for what the model's preset says; empty for none"""
    tool_call_parser: Annotated[
        Word, VllmFlag("--tool-call-parser", "--enable-auto-tool-choice", special=True)
    ] = ""
    """its name; auto for what the model's preset says; empty for no tools"""
    limit_mm_per_prompt: Annotated[
        dict[Literal["image", "video", "audio"], NotNegative], VllmFlag("--limit-mm-per-prompt")
    ] = {}
    """how many a request may hold of each kind, such as {image: 4, video: 0}"""
    mm_processor_cache_gib: Annotated[
        Annotated[float, Field(ge=0, le=MAXIMUM)] | None, VllmFlag("--mm-processor-cache-gb")
    ] = None
    """memory for prepared pictures in GiB, 0 for none; null for vLLM's own"""
    mm_processor_cache_type: Annotated[
        Literal["", "lru", "shm"], VllmFlag("--mm-processor-cache-type")
    ] = ""
    """where prepared pictures are cached; empty for vLLM's own"""
    language_model_only: Annotated[bool, VllmFlag("--language-model-only")] = False
    """text alone: leave the picture encoder out"""
    speculative_config: Annotated[
        Annotated[Json, AfterValidator(_speculation)] | Literal["auto"] | None,
        VllmFlag("--speculative-config", "-sc", special=True),
    ] = None
    """a mapping, or auto for what the model's preset says (MTP); null for none"""
    chat_template_kwargs: Annotated[Json, VllmFlag("--default-chat-template-kwargs")] = {}
    """defaults of every request, such as {enable_thinking: false}"""
    enable_prefix_caching: Annotated[bool | None, VllmFlag("--enable-prefix-caching")] = None
    """reuse the KV cache of what prompts have in common; null for vLLM's own"""
    enforce_eager: Annotated[bool, VllmFlag("--enforce-eager")] = False
    """no torch.compile and no CUDA graphs"""
    environment: Annotated[dict[str, str], AfterValidator(_variables)] = {}
    """environment variables of the server, such as {NCCL_DEBUG: INFO}; no secrets"""
    extra_args: Annotated[
        tuple[Annotated[str, AfterValidator(_argument)], ...],
        Field(strict=False),
        AfterValidator(_arguments),
    ] = ()
    """further arguments of `vllm serve`, verbatim; none that has a setting, no secrets"""
    ready_timeout: AtLeastOne = 1800
    """seconds from the start to the first answered request, at most"""
    rollback: bool = True
    """after a failed start, restore the previous release"""

    @property
    def visible_cards(self) -> tuple[str, ...] | None:
        """Return the cards that the server sees, as CUDA names them; None for all of the box's."""
        named = self.environment.get("CUDA_VISIBLE_DEVICES")
        if named is None:
            return None
        return tuple(name for name in named.replace(" ", "").split(",") if name)


@cache
def vllm_flags() -> Mapping[str, str]:
    """Return each flag of `vllm serve` that has a setting -> the setting's path."""
    sections = {"model": ModelSettings, "serve": ServeSettings}
    return {
        flag: f"{section}.{option.path}"
        for section, model in sections.items()
        for option in options(model)
        if option.vllm
        for flag in (option.vllm.flag, *option.vllm.others)
    }
