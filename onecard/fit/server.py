"""A model with the settings that it is served with, planned on a card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from onecard.errors import UsageError
from onecard.fit.catalogue.gpu import Gpu
from onecard.fit.catalogue.read import find_preset
from onecard.fit.plan import Plan
from onecard.fit.planning import plan
from onecard.fit.rules import Rules
from onecard.fit.shape.errors import NotModelledError
from onecard.fit.shape.model_shape import LINEAR, ModelShape
from onecard.settings.serve_settings import ServeSettings
from onecard.settings.setting_model import AUTO

EXPERT_PARALLEL: Final = "--enable-expert-parallel"

# Methods that draft from the text alone, without weights or a KV cache of their own.
_WITHOUT_MODEL: Final = {"ngram", "ngram_gpu", "suffix"}

_PICTURES: Final[tuple[Literal["image", "video"], ...]] = ("image", "video")


@dataclass(frozen=True)
class Server:
    """What a plan needs beside the card.

    serve: its settings; tensor_parallel is a number.
    quant: the quantisation of the weights in place of the checkpoint's own.
    """

    model: str
    shape: ModelShape
    serve: ServeSettings
    rules: Rules
    quant: str | None = None

    def with_settings(self, **values: object) -> Server:
        """Return the server with other settings, which are not validated again."""
        return replace(self, serve=self.serve.model_copy(update=values))

    def on(self, card: Gpu) -> Plan:
        """Plan it on as many of these cards as tensor_parallel says.

        Raises NotModelledError for a model or a setting that is not modelled, UsageError for a
        number of cards that does not divide the model.
        """
        serve = self.serve
        if serve.tensor_parallel == AUTO:
            raise UsageError("serve.tensor_parallel: auto needs the cards of a box")
        return plan(
            _without_videos(self.shape, serve),
            card,
            serve.ctx,
            util=serve.gpu_memory_utilization,
            kv_dtype=serve.kv_cache_dtype,
            tp=serve.tensor_parallel,
            pp=serve.pipeline_parallel,
            quant=self.quant,
            kv_gib=serve.kv_cache_gib,
            max_num_seqs=serve.max_num_seqs,
            max_num_batched_tokens=serve.max_num_batched_tokens,
            model=self.model,
            engine=self.rules.engine,
            draft_tokens=_draft_tokens(self.model, self.shape, serve.speculative_config),
            vision=not _text_alone(self.shape, serve),
            graphs=not serve.enforce_eager,
            whole_experts=whole_experts(serve),
            prefix_caching=serve.enable_prefix_caching,
        )


def whole_experts(serve: ServeSettings) -> bool:
    """Return whether each expert is on one card as a whole, instead of split between all."""
    return not {EXPERT_PARALLEL, "-ep"}.isdisjoint(serve.extra_args)


def _without_videos(shape: ModelShape, serve: ServeSettings) -> ModelShape:
    """Return the shape of a server that takes no video, where the limits say so."""
    if shape.vision is None or serve.limit_mm_per_prompt.get("video") != 0:
        return shape
    return replace(shape, vision=replace(shape.vision, videos=False))


def _text_alone(shape: ModelShape, serve: ServeSettings) -> bool:
    """Return whether no picture is taken, so that the tower is neither loaded nor profiled.

    --language-model-only is vLLM's short form of a limit of 0 for every kind of input
    (config/multimodal.py).
    """
    limits = serve.limit_mm_per_prompt
    no_image, no_video = (limits.get(kind) == 0 for kind in _PICTURES)
    pictures_alone = shape.vision is not None and shape.vision.kind == "siglip"
    return serve.language_model_only or (no_image and (no_video or pictures_alone))


def _draft_tokens(model: str, shape: ModelShape, config: Mapping[str, Any] | str | None) -> int:
    """Return num_speculative_tokens of MTP, 0 without speculative decoding.

    vLLM takes every method that ends with `mtp`, such as qwen3_next_mtp, for `mtp`
    (config/speculative.py). Raises NotModelledError for a method whose memory is not modelled.
    """
    if isinstance(config, str):  # auto: the preset's
        preset = find_preset(model) or {}
        config = json.loads(preset["mtp"][1]) if "mtp" in preset else None
    if not config:
        return 0
    method = str(config.get("method", "draft_model"))
    if method.endswith("mtp"):
        return int(config.get("num_speculative_tokens", 1))
    if method in _WITHOUT_MODEL and not shape.count(LINEAR):
        return 0
    raise NotModelledError(f"speculative decoding by {method} is not modelled for this model")
