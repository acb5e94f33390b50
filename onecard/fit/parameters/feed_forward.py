"""Parameters of feed-forward parts and experts."""

from __future__ import annotations

from onecard.fit.parameters.part import LAYER, Part
from onecard.fit.shape.model_shape import Experts, ModelShape


def experts_layer(shape: ModelShape) -> int:
    """Return the parameters of one layer's experts and their router."""
    experts = shape.experts
    if experts is None:
        return 0
    return _routed(shape.hidden, experts) + _shared(shape.hidden, experts) + _router(shape, experts)


def feed_forward_parts(shape: ModelShape) -> list[Part]:
    """Return the dense feed-forward parts and the experts of all layers."""
    found = []
    experts, layers = shape.experts, shape.expert_layers
    dense, hidden = shape.feed_forward_layers, shape.hidden
    if dense:
        # Nemotron-H's have no gate, in dense layers as in experts.
        matrices = 2 if shape.model_type == "nemotron_h" else 3
        parameters = (dense + shape.wide_layers) * matrices * hidden * shape.intermediate
        found.append(Part("feed-forward", f"{LAYER}.0.mlp.up_proj", parameters, quantizable=True))
    if experts is None:
        return found
    last = f"{LAYER}.{len(shape.layers) - 1}.mlp"
    routed = layers * _routed(hidden, experts)
    found.append(Part("experts", f"{last}.experts.0.up_proj", routed, quantizable=True))
    if experts.shared:
        shared = layers * experts.matrices * hidden * experts.shared
        name = f"{last}.shared_expert.up_proj"
        found.append(Part("shared expert", name, shared, quantizable=True))
    router = layers * _router(shape, experts)
    found.append(Part("router", f"{last}.gate", router, whole=router))
    return found


def _routed(hidden: int, experts: Experts) -> int:
    biases = 2 * experts.width + hidden if experts.bias else 0
    return experts.count * (experts.matrices * hidden * experts.width + biases)


def _shared(hidden: int, experts: Experts) -> int:
    return experts.matrices * hidden * experts.shared


def _router(shape: ModelShape, experts: Experts) -> int:
    gate = shape.hidden if experts.shared_gate else 0
    return shape.hidden * experts.count + gate + (experts.count if experts.bias else 0)
