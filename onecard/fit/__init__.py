"""What a card holds, before any download: `invoke fit`, and deploy's check of --ctx."""

from __future__ import annotations

from onecard.fit.catalog import (
    KnownModel,
    find_gpu,
    find_model,
    find_preset,
    known_gpus,
    known_models,
    seen_gpu,
)
from onecard.fit.compare import Row, compare
from onecard.fit.config import parse_config
from onecard.fit.engine import Engine, engine_for, release_of
from onecard.fit.errors import NotModelledError
from onecard.fit.explain import Line, explain
from onecard.fit.gpu import Gpu, cpu_node, reported_gpu
from onecard.fit.plan import TABLE, Plan, check_ctx, plan
from onecard.fit.quantization import QUANTIZATIONS, quantization_named
from onecard.fit.render import render, render_explain, table
from onecard.fit.shape import ModelShape
from onecard.fit.weights import Weights, weights

__all__ = [
    "QUANTIZATIONS",
    "TABLE",
    "Engine",
    "Gpu",
    "KnownModel",
    "Line",
    "ModelShape",
    "NotModelledError",
    "Plan",
    "Row",
    "Weights",
    "check_ctx",
    "compare",
    "cpu_node",
    "engine_for",
    "explain",
    "find_gpu",
    "find_model",
    "find_preset",
    "known_gpus",
    "known_models",
    "parse_config",
    "plan",
    "quantization_named",
    "release_of",
    "render",
    "render_explain",
    "reported_gpu",
    "seen_gpu",
    "table",
    "weights",
]
