"""The plan of a host's model on its own cards, and the checks before a start."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from onecard import fit, served_model
from onecard.checks import environment_files
from onecard.errors import PreflightError
from onecard.facts import Facts
from onecard.fit import Gpu, ModelShape, NotModelledError, Plan
from onecard.fit.model_source import with_stored_bytes
from onecard.fit.plan import FORCE_HINT
from onecard.fit.rules import host_rules
from onecard.fit.server import Server, whole_experts
from onecard.fit.tensor_parallel import choose, refuse_split
from onecard.inventory.host import Host
from onecard.json_text import parse_json
from onecard.resources.base import fields
from onecard.resources.python.environment import RECORD
from onecard.settings.setting_model import AUTO
from onecard.ssh.shell import Session


@dataclass(frozen=True)
class BoxModel:
    """What is installed on the box: vLLM's version (or empty), the model's config (or None).

    damage: which of the environment's packages lack files; empty when it is complete.
    """

    vllm: str
    config: Mapping[str, Any] | None
    damage: str = ""


UNKNOWN = BoxModel("", None)


def read_box_model(session: Session, host: Host) -> BoxModel:
    """Read it from the box, in one round trip."""
    venv, config = shlex.quote(host.venv), shlex.quote(f"{served_model.folder(host)}/config.json")
    site = f"{venv}/lib/python3*/site-packages"
    script = (
        f'[ -f {venv}/{RECORD} ] && echo "vllm=$(ls -d {site}/vllm-*.dist-info | head -n 1 '
        "| sed 's/.*vllm-//; s/.dist-info//')\"\n"
        f'echo "config=$(cat {config} 2>/dev/null | base64 -w0)"\n'
        f"{environment_files.files_check_script(host)}"
    )
    values = fields(session.run(script).output)
    try:
        found = _mapping(base64.b64decode(values.get("config", "")))
    except ValueError:
        found = None
    return BoxModel(values.get("vllm", ""), found, values.get("trouble", ""))


@dataclass(frozen=True)
class Settled:
    """What is decided for a host before its server starts; made once, by `settle`.

    host: with the decisions in its settings: tensor_parallel a number; max_num_seqs a number, or
        None where vLLM's default starts.
    planned: the memory at the settings' context length; None where the model, the card or a setting
        is not modelled.
    split: why the cards cannot share the model that lies on the box; None where they can.
    """

    host: Host
    facts: Facts
    box: BoxModel
    planned: Plan | None = None
    split: PreflightError | None = None

    @property
    def doubt(self) -> str:
        """Return why a start may fail though nothing refuses it; empty where it surely fits."""
        planned = self.planned
        return "" if planned is None or planned.surely_fits else planned.reasons[0]

    def plan(self, *, ctx: int | None = None, kv_gib: float | None = None) -> Plan:
        """Plan the memory of the host's first card.

        ctx: context length in tokens, in place of the settings'.
        kv_gib: GiB of KV cache as logged, in place of the settings' or an estimate.
        Raises NotModelledError where the model or a setting is not modelled, PreflightError where
        the cards cannot share the model.
        """
        if self.split is not None:
            raise self.split
        card, serve = _gpu(self.host, self.facts), self.host.settings.serve
        server = host_server(self.host, self.box).with_settings(
            max_num_seqs=serve.max_num_seqs or card.default_max_num_seqs,
            ctx=ctx or serve.ctx,
            kv_cache_gib=serve.kv_cache_gib if kv_gib is None else kv_gib,
        )
        return server.on(card)

    def refuse(self) -> None:
        """Raise PreflightError for a start that cannot succeed.

        The cards cannot share the model, or even the high end of the estimate holds no request of
        the settings' context length: then the error names the largest one that starts.
        """
        if self.split is not None:
            raise self.split
        if self.planned is None:
            return
        if not self.planned.fits and self.planned.estimated:
            at_best = self.plan(kv_gib=max(self.planned.kv_high_gib, 0.0))
            if at_best.fits:
                return
        fit.check_ctx(self.planned)


def settle(host: Host, facts: Facts, box: BoxModel = UNKNOWN) -> Settled:
    """Decide what the settings leave open, and plan the memory.

    The decisions follow from the cards alone, not from what lies on the box, so that a deploy
    before the model's download and one after it are the same.
    Raises PreflightError where serve.tensor_parallel is not possible.
    """
    count, split = _tensor_parallel(host, facts, box)
    host = _with(host, tensor_parallel=count)
    host = _with(host, max_num_seqs=_sequences(host, facts))
    settled = Settled(host, facts, box, split=split)
    try:
        return replace(settled, planned=settled.plan())
    except (NotModelledError, PreflightError):
        return settled


def _with(host: Host, **values: int | None) -> Host:
    serve = host.settings.serve.model_copy(update=values)
    return replace(host, settings=host.settings.model_copy(update={"serve": serve}))


def _tensor_parallel(host: Host, facts: Facts, box: BoxModel) -> tuple[int, PreflightError | None]:
    """Return how many cards share the model, and why the one on the box cannot be shared so."""
    serve = host.settings.serve
    if host.settings.accelerator == "cpu":
        return (1 if serve.tensor_parallel == AUTO else serve.tensor_parallel), None
    visible, box_has = serve.visible_cards, len(facts.gpus)
    usable = box_has if visible is None else min(len(visible), box_has)
    available = max(usable // host.settings.stages_here, 1)
    name = host.settings.model.source
    whole = whole_experts(serve)
    known = _known_shape(host, UNKNOWN)
    count = choose(serve.tensor_parallel, available, known, name, whole_experts=whole)
    found = _known_shape(host, box)
    if found is not None:
        try:
            refuse_split(count, available, found, name, whole_experts=whole)
        except PreflightError as error:
            return count, error
    return count, None


def _sequences(host: Host, facts: Facts) -> int | None:
    """Return max_num_seqs as set; else a lower one than vLLM's default where that cannot start."""
    requested = host.settings.serve.max_num_seqs
    if requested is not None:
        return requested
    try:
        planned = host_server(host).on(_gpu(host, facts))
    except NotModelledError:
        return None
    return planned.max_num_seqs if planned.fewer else None


def host_server(host: Host, box: BoxModel = UNKNOWN) -> Server:
    """Return the host's model and settings, with the rules of its vLLM.

    Raises NotModelledError where the model is not known here and not on the box, or its
    quantisation is not modelled.
    """
    shape, serve = _shape(host, box), host.settings.serve
    quant = _quantization(shape, serve.quantization)
    return Server(host.settings.model.source, shape, serve, host_rules(host, box.vllm), quant)


def refuse_old_vllm(host: Host, box: BoxModel) -> None:
    """Raise PreflightError where the model's preset needs a later vLLM than the box has."""
    source = host.settings.model.source
    oldest = str((fit.find_preset(source) or {}).get("minimum_vllm", ""))
    has, needs = fit.release_of(box.vllm), fit.release_of(oldest)
    if has and needs and has < needs:
        raise PreflightError(
            f"{host.name}: {source} needs vLLM {oldest} or later, and {box.vllm} is installed: set "
            f"a later one in vllm.version, then run: invoke upgrade --host {host.name}"
            f"{FORCE_HINT}"
        )


def _known_shape(host: Host, box: BoxModel) -> ModelShape | None:
    try:
        return _shape(host, box)
    except NotModelledError:
        return None


def _shape(host: Host, box: BoxModel) -> ModelShape:
    folder = served_model.local(host)
    config = box.config
    if folder is not None and (folder / "config.json").is_file():
        config = _mapping((folder / "config.json").read_bytes())
        if config is not None:
            return with_stored_bytes(fit.parse_config(config), folder)
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

    For a quantised checkpoint --quantization only picks the kernel.
    """
    if not method or shape.quantization is not None:
        return None
    if method not in fit.QUANTIZATIONS:
        raise NotModelledError(f"serve.quantization {method} is not modelled")
    return method


def _gpu(host: Host, facts: Facts) -> Gpu:
    if host.settings.accelerator == "cpu":
        return fit.cpu_node(facts.memory.total_gib)
    card = next((gpu for gpu in facts.gpus if gpu.memory_total_mib), next(iter(facts.gpus), None))
    if card is None:
        raise NotModelledError(f"{host.name} has no working NVIDIA card")
    return fit.detected_gpu(card.name, card.memory_total_mib, card.capability)


def _mapping(data: bytes) -> Mapping[str, Any] | None:
    try:
        found = parse_json(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
