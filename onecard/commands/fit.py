"""`invoke fit`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from onecard.cli import flag_values, targets
from onecard.cli.output import print_json
from onecard.console.terminal import Terminal
from onecard.engine.converge import gather
from onecard.errors import UsageError
from onecard.fit import (
    TABLE,
    Gpu,
    Plan,
    find_gpu,
    known_gpus,
    print_explanation,
    print_plans,
    table,
)
from onecard.fit.catalogue.gpu import card_of
from onecard.fit.demand.choice_table import print_choices
from onecard.fit.demand.search import CARD_COUNTS, UTILISATIONS, Demand, choices, parse_demand
from onecard.fit.model_source import config_from_hub, shape_of
from onecard.fit.on_host import BoxModel, host_server, read_box_model, settle
from onecard.fit.rules import Rules, host_rules, named_rules
from onecard.fit.server import EXPERT_PARALLEL, Server
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.login import connected

DEFAULT_MODEL: Final = "Qwen/Qwen3.5-27B"
DEFAULT_GPU: Final = "A100-80GB"
DEFAULT_CTX: Final = "64k"

Given = Mapping[str, Any]

# Flag -> the setting that it stands for.
_SETTINGS: Final = {
    "--ctx": "serve.ctx",
    "--util": "serve.gpu_memory_utilization",
    "--kv-gib": "serve.kv_cache_gib",
    "--max-num-seqs": "serve.max_num_seqs",
    "--max-num-batched-tokens": "serve.max_num_batched_tokens",
    "--enforce-eager": "serve.enforce_eager",
    "--prefix-caching": "serve.enable_prefix_caching",
    "--speculative-config": "serve.speculative_config",
    "--limit-mm-per-prompt": "serve.limit_mm_per_prompt",
}
_HOST_SETTINGS: Final = {
    **_SETTINGS,
    "--model": "model.source",
    "--kv-dtype": "serve.kv_cache_dtype",
    "--tp": "serve.tensor_parallel",
    "--quant": "serve.quantization",
}
_MTP = re.compile(r"mtp-([1-9][0-9]{0,2})", re.IGNORECASE)


def fit(requested: str, given: Given, *, explain: bool, as_json: bool) -> int:
    """Plan a model on a card; return 0 when the context length starts, else 1.

    requested: the host whose card, settings and model count; empty for the catalogue's.
    given: parameter of the task -> its value, None where not given. With `demand` the cards are
    searched that serve it; 0 when there are any.
    """
    if given["demand"] is not None:
        return _search(requested, given, explain=explain, as_json=as_json)
    case = _on_a_host(requested, given) if requested else _from_the_catalogue(given)
    wanted = case.plan(case.tokens)
    if as_json:
        print_json({**wanted.to_json(), **_rules_json(case.rules)})
    else:
        output = Terminal()
        known = [length for length in TABLE if length <= wanted.shape.max_context]
        lengths = sorted({*known, case.tokens})
        print_plans(table(case.plan, lengths), output, str(case.rules))
        if explain:
            print_explanation(wanted, output)
    return 0 if wanted.fits else 1


@dataclass(frozen=True)
class _Case:
    """plan: of a context length. tokens: the one that was requested."""

    plan: Callable[[int], Plan]
    tokens: int
    rules: Rules


def _rules_json(rules: Rules) -> dict[str, str]:
    return {"vllm": rules.version, "rules": rules.engine.name, "rules_from": rules.origin}


def _on_a_host(requested: str, given: Given) -> _Case:
    """Return what plans a context length with the host's own card and model."""
    for name in ("gpu", "card_gib"):
        if given[name] is not None:
            raise UsageError(f"{_flag(name)}: the card of --host is read from the box; give one")
    host = _host(requested, given)
    with connected(host, targets.known_hosts()) as box:
        facts, found = gather(box.session, None), read_box_model(box.session, host)
    if found.config is None:
        found = replace(found, config=config_from_hub(host))
    settled = settle(host, facts, found)

    def plan(length: int) -> Plan:
        return settled.plan(ctx=length)

    return _Case(plan, host.settings.serve.ctx, host_rules(host, found.vllm))


def _from_the_catalogue(given: Given) -> _Case:
    """Return what plans a context length with a known model on a known card."""
    server, card = _server(given), _card(given) or find_gpu(DEFAULT_GPU)

    def plan(length: int) -> Plan:
        return server.with_settings(ctx=length).on(card)

    return _Case(plan, server.serve.ctx, server.rules)


def _search(requested: str, given: Given, *, explain: bool, as_json: bool) -> int:
    """Show which cards serve `--for`; with a host, its settings; no connection."""
    for name in ("ctx", "kv_gib"):
        if given[name] is not None:
            raise UsageError(f"{_flag(name)}: not with --for, which computes it")
    if explain:
        raise UsageError("--explain: not with --for; give it with --gpu and --tp")
    demand = parse_demand(given["demand"])
    if requested:
        host = _host(requested, given)
        server = host_server(host, BoxModel("", config_from_hub(host)))
    else:
        server = _server(given)
    if demand.tokens > server.shape.max_context:
        raise UsageError(
            f"--for: {server.model} supports at most {server.shape.max_context:,} tokens"
        )
    card, count = _card(given), given["tp"]
    found = choices(
        server,
        demand,
        known_gpus() if card is None else (card,),
        counts=CARD_COUNTS if count is None else (flag_values.positive("--tp", count),),
        utils=UTILISATIONS if given["util"] is None else (server.serve.gpu_memory_utilization,),
        kv_dtypes=("auto", "fp8") if given["kv_dtype"] is None else (given["kv_dtype"],),
    )
    if as_json:
        print_json(_choices_json(server, demand, [choice.to_json() for choice in found]))
    else:
        print_choices(server, demand, found, Terminal())
    return 0 if found else 1


def _choices_json(server: Server, demand: Demand, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "model": server.model,
        "requests": demand.requests,
        "tokens": demand.tokens,
        **_rules_json(server.rules),
        "ordered_by": "memory",
        "choices": found,
    }


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _settings_flags(
    given: Given, paths: Mapping[str, str], extra_args: Sequence[str] = ()
) -> dict[str, tuple[str, object]]:
    """Return flag -> (path of the setting, its value); `MTP-3` stands for vLLM's JSON of it.

    extra_args: the host's serve.extra_args, which --enable-expert-parallel is added to.
    """
    values = {flag: given[flag.removeprefix("--").replace("-", "_")] for flag in paths}
    drafted = _MTP.fullmatch(str(values["--speculative-config"]))
    if drafted:
        config = {"method": "mtp", "num_speculative_tokens": int(drafted[1])}
        values["--speculative-config"] = config
    flags = {flag: (path, values[flag]) for flag, path in paths.items()}
    if given["enable_expert_parallel"]:
        flags[EXPERT_PARALLEL] = ("serve.extra_args", [*extra_args, EXPERT_PARALLEL])
    return flags


def _host(requested: str, given: Given) -> Host:
    """Return the host with its settings overridden by the flags."""
    if given["vllm"] is not None:
        raise UsageError("--vllm: the build of --host is its lock's; give one of the two")
    host = targets.chosen_host(requested)
    flags = _settings_flags(given, _HOST_SETTINGS, host.settings.serve.extra_args)
    return flag_values.with_flags(host, flags)


def _server(given: Given) -> Server:
    """Return a known model with the flags as its settings, under the rules that apply."""
    flags = _settings_flags({**given, "ctx": given["ctx"] or DEFAULT_CTX}, _SETTINGS)
    serve = flag_values.with_flags(Host("", Connection(""), Settings()), flags).settings.serve
    name, version = given["model"] or DEFAULT_MODEL, given["vllm"]
    rules = named_rules(version) if version is not None else host_rules(targets.default_host())
    server = Server(name, shape_of(name), serve, rules, given["quant"] or None)
    return server.with_settings(
        kv_cache_dtype=given["kv_dtype"] or "auto",
        tensor_parallel=flag_values.positive("--tp", given["tp"] or "1"),
    )


def _card(given: Given) -> Gpu | None:
    """Return the card that is named, or described by its memory; None for neither."""
    name, gib = given["gpu"], given["card_gib"]
    if gib is None:
        return None if name is None else find_gpu(name)
    if name is not None:
        raise UsageError("--card-gib: a card by its memory alone; give it or --gpu")
    return card_of(flag_values.number("--card-gib", gib))
