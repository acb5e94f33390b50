"""`invoke fit`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from onecard import cli, secret_store
from onecard.connect import connected
from onecard.engine import gather
from onecard.errors import OnecardError, UsageError
from onecard.fit import (
    TABLE,
    ModelShape,
    NotModelledError,
    Plan,
    engine_for,
    find_gpu,
    find_model,
    known_models,
    parse_config,
    plan,
    render,
    render_explain,
    table,
)
from onecard.host import Host
from onecard.host_fit import BoxModel, plan_for, read_box_model
from onecard.model_config import fetch_config, read_config
from onecard.settings import HubSettings
from roles import model

DEFAULT_MODEL = "Qwen/Qwen3.5-27B"
DEFAULT_GPU = "A100-80GB"
DEFAULT_CTX = 65536
# The build whose figures were checked against a real card (onecard/fit/overhead.py).
DEFAULT_VLLM = "0.25.1"


def fit(requested: str, given: Mapping[str, str | None], *, explain: bool, as_json: bool) -> int:
    """Plan a model on a card; return 0 when the context length starts, else 1.

    requested: the host whose card, settings and model count; empty for the catalogue's.
    given: model, gpu, ctx, util, kv_dtype, kv_gib, tp, quant, vllm; None where not given.
    """
    make, tokens = _on_a_host(requested, given) if requested else _from_the_catalogue(given)
    wanted = make(tokens)
    if as_json:
        cli.print_json(wanted.to_json())
    else:
        output = Console(highlight=False)
        render(table(make, sorted({*TABLE, tokens})), output)
        if explain:
            render_explain(wanted, output)
    return 0 if wanted.fits else 1


def _on_a_host(
    requested: str, given: Mapping[str, str | None]
) -> tuple[Callable[[int], Plan], int]:
    """Return what plans a context length with the host's own card and model."""
    if given["gpu"] is not None:
        raise UsageError("--gpu: the card of --host is asked for itself; give one of them")
    if given["vllm"] is not None:
        raise UsageError("--vllm: the build on --host is asked for itself; give one of them")
    paths = {
        "--model": ("model.source", given["model"]),
        "--ctx": ("serve.ctx", given["ctx"]),
        "--util": ("serve.gpu_memory_utilization", given["util"]),
        "--kv-dtype": ("serve.kv_cache_dtype", given["kv_dtype"]),
        "--kv-gib": ("serve.kv_cache_gib", given["kv_gib"]),
        "--tp": ("serve.tensor_parallel", given["tp"]),
        "--quant": ("serve.quantization", given["quant"]),
    }
    host = cli.with_flags(cli.chosen_host(requested), paths)
    with connected(host, cli.known_hosts()) as box:
        facts, found = gather(box.session, None), read_box_model(box.session, host)
    if found.config is None:
        found = BoxModel(found.vllm, _config_elsewhere(host))

    def make(length: int) -> Plan:
        return plan_for(host, facts, found, ctx=length)

    return make, host.settings.serve.ctx


def _from_the_catalogue(given: Mapping[str, str | None]) -> tuple[Callable[[int], Plan], int]:
    """Return what plans a context length with a known model on a known card."""
    name = given["model"] or DEFAULT_MODEL
    shape, card = _shape(name), find_gpu(given["gpu"] or DEFAULT_GPU)
    engine = engine_for(_version(given["vllm"] or DEFAULT_VLLM))
    kv_gib, tp, quant = given["kv_gib"], given["tp"] or "1", given["quant"]

    def make(length: int) -> Plan:
        return plan(
            shape,
            card,
            length,
            util=_share("--util", given["util"] or "0.90"),
            kv_dtype=given["kv_dtype"] or "auto",
            tp=cli.positive("--tp", tp),
            quant=quant or None,
            kv_gib=_number("--kv-gib", kv_gib) if kv_gib else None,
            model=name,
            engine=engine,
        )

    return make, cli.positive("--ctx", given["ctx"] or str(DEFAULT_CTX))


def _config_elsewhere(host: Host) -> Mapping[str, Any] | None:
    """Return the config of a model that neither the catalogue nor this computer nor the box has."""
    source = host.settings.model.source
    if model.local(host) is not None or source.lower() in known_models():
        return None
    return fetch_config(source, host.settings.hub.url, secret_store.find("hf-token", host.name))


def _shape(name: str) -> ModelShape:
    """Return a model's shape: of a folder or config.json here, the catalogue's, the hub's."""
    if name.startswith(("./", "../", "/")):
        return parse_config(read_config(Path(name)))
    if name.lower() in known_models():
        return find_model(name).shape
    token = secret_store.find("hf-token", secret_store.EVERY_HOST)
    try:
        return parse_config(fetch_config(name, HubSettings().url, token))
    except NotModelledError:
        raise
    except OnecardError as error:
        try:
            return find_model(name).shape
        except UsageError as unknown:
            raise UsageError(f"{unknown.message}, and {error.message}") from error


def _version(text: str) -> str:
    if not re.match(r"\d+\.\d+", text):
        raise UsageError(f'--vllm: "{text}" is no version such as 0.33.0')
    return text


def _number(flag: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise UsageError(f'{flag}: "{text}" is not a number above 0')
    return number


def _share(flag: str, text: str) -> float:
    number = _number(flag, text)
    if number > 1:
        raise UsageError(f'{flag}: "{text}" is a share of the card: above 0, at most 1')
    return number
