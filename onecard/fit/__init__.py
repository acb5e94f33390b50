"""The memory of a model on a card, before any download: `invoke fit`, deploy's check of --ctx."""

from __future__ import annotations

from onecard.fit.catalogue.gpu import Gpu, cpu_node, reported_gpu
from onecard.fit.catalogue.read import (
    KnownModel,
    detected_gpu,
    find_gpu,
    find_model,
    find_preset,
    known_gpus,
    known_models,
)
from onecard.fit.compare import Row, compare
from onecard.fit.engine import Engine, engine_for, release_of
from onecard.fit.explain import Line, explain
from onecard.fit.plan import TABLE, Plan, check_ctx
from onecard.fit.plan_table import print_explanation, print_plans, table
from onecard.fit.planning import plan
from onecard.fit.shape.config import parse_config
from onecard.fit.shape.errors import NotModelledError
from onecard.fit.shape.model_shape import ModelShape
from onecard.fit.shape.quantization import QUANTIZATIONS, quantization_named
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
    "detected_gpu",
    "engine_for",
    "explain",
    "find_gpu",
    "find_model",
    "find_preset",
    "known_gpus",
    "known_models",
    "parse_config",
    "plan",
    "print_explanation",
    "print_plans",
    "quantization_named",
    "release_of",
    "reported_gpu",
    "table",
    "weights",
]
