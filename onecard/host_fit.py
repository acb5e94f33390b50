"""What a host's own card holds of the model that it is told to serve."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from onecard import fit
from onecard.errors import PreflightError
from onecard.facts import Facts
from onecard.fit import Engine, Gpu, ModelShape, NotModelledError, Plan
from onecard.host import Host
from onecard.resources.base import fields
from onecard.resources.environment import RECORD
from onecard.session import Session
from onecard.settings import AUTO
from onecard.tensor_parallel import choose, refuse_split
from roles import model


@dataclass(frozen=True)
class BoxModel:
    """What lies on the box: vLLM's version (empty without one), the model's config (or None)."""

    vllm: str
    config: Mapping[str, Any] | None


NOTHING_KNOWN = BoxModel("", None)


def read_box_model(session: Session, host: Host) -> BoxModel:
    """Ask the box; one round trip."""
    site = f"{host.venv}/lib/python3*/site-packages"
    script = (
        f'[ -f {host.venv}/{RECORD} ] && echo "vllm=$(ls -d {site}/vllm-*.dist-info | head -n 1 '
        "| sed 's/.*vllm-//; s/.dist-info//')\"\n"
        f'echo "config=$(base64 -w0 <"{model.folder(host)}/config.json")" 2>/dev/null || true'
    )
    told = fields(session.run(script).output)
    return BoxModel(told.get("vllm", ""), _mapping(base64.b64decode(told.get("config", ""))))


def plan_for(
    host: Host,
    facts: Facts,
    box: BoxModel,
    *,
    ctx: int | None = None,
    kv_gib: float | None = None,
) -> Plan:
    """Plan the host's settings on its first card.

    ctx: context length in tokens, in place of the settings'.
    kv_gib: GiB of KV cache where a log has told it, in place of the settings' or an estimate.
    Raises NotModelledError where the model or the setting is not modelled, PreflightError where the
    cards cannot share the model.
    """
    card = _gpu(host, facts)
    seqs = settled(host, facts).settings.serve.max_num_seqs or card.default_max_num_seqs
    return _plan(host, facts, box, card, max_num_seqs=seqs, ctx=ctx, kv_gib=kv_gib)


def _plan(
    host: Host,
    facts: Facts,
    box: BoxModel,
    card: Gpu,
    *,
    max_num_seqs: int | None,
    ctx: int | None = None,
    kv_gib: float | None = None,
) -> Plan:
    serve = host.settings.serve
    if serve.pipeline_parallel > 1:
        raise NotModelledError("pipeline parallelism is not modelled")
    shape = _shape(host, box)
    return fit.plan(
        shape,
        card,
        ctx or serve.ctx,
        util=serve.gpu_memory_utilization,
        kv_dtype=serve.kv_cache_dtype,
        tp=cards(host, facts, box),
        quant=_quantization(shape, serve.quantization),
        kv_gib=serve.kv_cache_gib if kv_gib is None else kv_gib,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=serve.max_num_batched_tokens,
        model=host.settings.model.source,
        engine=_engine(box),
        draft_tokens=_draft_tokens(host),
        vision=not serve.language_model_only,
        graphs=not serve.enforce_eager,
        whole_experts=_whole_experts(host),
    )


def cards(host: Host, facts: Facts, box: BoxModel = NOTHING_KNOWN) -> int:
    """Return how many cards share the model.

    What lies on the box does not change the number; where it tells that the number cannot be, it is
    refused. Raises PreflightError where serve.tensor_parallel cannot be had.
    """
    serve = host.settings.serve
    if host.settings.accelerator == "cpu":
        return 1 if serve.tensor_parallel == AUTO else serve.tensor_parallel
    seen, box_has = serve.visible_cards, len(facts.gpus)
    seen_count = box_has if seen is None else min(len(seen), box_has)
    there = max(seen_count // serve.pipeline_parallel, 1)
    name = host.settings.model.source
    whole_experts = _whole_experts(host)
    known = _known_shape(host, NOTHING_KNOWN)
    count = choose(serve.tensor_parallel, there, known, name, whole_experts=whole_experts)
    found = _known_shape(host, box)
    if found is not None:
        refuse_split(count, there, found, name, whole_experts=whole_experts)
    return count


def settled(host: Host, facts: Facts) -> Host:
    """Return the host with what is left to onecard as numbers: tensor_parallel, max_num_seqs.

    max_num_seqs stays None where vLLM's default starts. Of the box only its cards count, not what
    lies on it, so that a deploy before the model's download and one after it are the same.
    Raises as `cards` does.
    """
    found = {"tensor_parallel": cards(host, facts), "max_num_seqs": _sequences(host, facts)}
    serve = host.settings.serve.model_copy(update=found)
    return replace(host, settings=host.settings.model_copy(update={"serve": serve}))


def _sequences(host: Host, facts: Facts) -> int | None:
    asked = host.settings.serve.max_num_seqs
    if asked is not None:
        return asked
    try:
        planned = _plan(host, facts, NOTHING_KNOWN, _gpu(host, facts), max_num_seqs=None)
    except NotModelledError:
        return None
    return planned.max_num_seqs if planned.fewer else None


def refuse_what_cannot_start(host: Host, facts: Facts, box: BoxModel) -> Plan | None:
    """Return the plan, None where there is none to be had.

    Raises PreflightError where the cards cannot share the model, and, naming the largest context
    length that starts, where even the high end of the estimate holds no request of the settings'
    context length.
    """
    cards(host, facts, box)  # also of a model or card whose memory is not modelled
    try:
        planned = plan_for(host, facts, box)
        if not planned.fits and planned.estimated:
            at_best = plan_for(host, facts, box, kv_gib=max(planned.kv_high_gib, 0.0))
            if at_best.fits:
                return planned
    except NotModelledError:
        return None
    fit.check_ctx(planned)
    return planned


def doubt(planned: Plan | None) -> str:
    """Return why a start that is let through may fail all the same; empty where it surely fits."""
    return "" if planned is None or planned.surely_fits else planned.reasons[0]


def refuse_old_vllm(host: Host, box: BoxModel) -> None:
    """Raise PreflightError where the model's preset names a later vLLM than the box has."""
    source = host.settings.model.source
    oldest = str((fit.find_preset(source) or {}).get("minimum_vllm", ""))
    has, needs = fit.release_of(box.vllm), fit.release_of(oldest)
    if has and needs and has < needs:
        raise PreflightError(
            f"{host.name}: {source} needs vLLM {oldest} or later, and {box.vllm} is installed: ask "
            f"for a later one below vllm:, then run: invoke upgrade --host {host.name} (--force "
            "tries it all the same)"
        )


def _whole_experts(host: Host) -> bool:
    """Tell whether each expert lies on one card whole, instead of a part of it on every card."""
    return not {"--enable-expert-parallel", "-ep"}.isdisjoint(host.settings.serve.extra_args)


def _known_shape(host: Host, box: BoxModel) -> ModelShape | None:
    try:
        return _shape(host, box)
    except NotModelledError:
        return None


def _shape(host: Host, box: BoxModel) -> ModelShape:
    here = model.local(host)
    config = box.config
    if here is not None and (here / "config.json").is_file():
        config = _mapping((here / "config.json").read_bytes())
    if config is not None:
        return fit.parse_config(config)
    known = fit.known_models().get(host.settings.model.source.lower())
    if known is None:
        raise NotModelledError(
            f"{host.settings.model.source} is not in the catalogue, and its config.json is not on "
            "the box yet"
        )
    return known.shape


def _quantization(shape: ModelShape, method: str) -> str | None:
    """Return the method for `fit`; None for what the checkpoint's own config says.

    Of a checkpoint that is quantised, --quantization picks the kernel alone.
    """
    if not method or shape.quantization is not None:
        return None
    if method not in fit.QUANTIZATIONS:
        raise NotModelledError(f"serve.quantization {method} is not modelled")
    return method


def _gpu(host: Host, facts: Facts) -> Gpu:
    if host.settings.accelerator == "cpu":
        return fit.cpu_node(facts.memory.total_gib)
    card = next((gpu for gpu in facts.gpus if gpu.memory_total_mib), None)
    if card is None or card.memory_total_mib is None:
        raise NotModelledError(f"{host.name} shows no working NVIDIA card")
    return fit.seen_gpu(card.name, card.memory_total_mib, card.capability)


def _engine(box: BoxModel) -> Engine:
    return fit.engine_for(box.vllm)


def _draft_tokens(host: Host) -> int:
    asked = host.settings.serve.speculative_config
    if isinstance(asked, str):
        preset = fit.find_preset(host.settings.model.source) or {}
        asked = json.loads(preset["mtp"][1]) if "mtp" in preset else None
    if not asked or asked.get("method") != "mtp":
        return 0
    return int(asked.get("num_speculative_tokens", 1))


def _mapping(data: bytes) -> Mapping[str, Any] | None:
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
