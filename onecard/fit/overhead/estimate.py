"""All parts of the overhead together."""

from __future__ import annotations

from dataclasses import dataclass

from onecard.fit.catalogue.gpu import Gpu
from onecard.fit.engine import Engine
from onecard.fit.overhead.activation import forward_gib, hidden_gib, sampler_gib, step_gib
from onecard.fit.overhead.encoder import budget, encoder_gib
from onecard.fit.overhead.fixed import communication_gib, non_torch_gib
from onecard.fit.overhead.graphs import graphs_gib
from onecard.fit.overhead.part import NOTHING, GibRange, OverheadPart, larger
from onecard.fit.shape.model_shape import ModelShape

_CPU = OverheadPart(
    "libraries",
    GibRange(0.78, 0.28, 1.44),
    "measured",
    "a start of a model of a few MiB on vLLM's CPU backend, 0.32.0",
)
_RUNNER = "vLLM v1/worker/gpu_model_runner.py, profile_run"


@dataclass(frozen=True)
class Overhead:
    """GiB on each card beside weights and KV cache, part by part."""

    parts: tuple[OverheadPart, ...]

    @property
    def total(self) -> GibRange:
        """Return the sum, with its range."""
        return sum((part.gib for part in self.parts), NOTHING)

    @property
    def gib(self) -> float:
        """Return the likely sum in GiB."""
        return self.total.likely

    @property
    def graphs(self) -> float:
        """Return the likely GiB of CUDA graphs, 0 where none are counted."""
        return sum(part.gib.likely for part in self.parts if part.name == "CUDA graphs")


@dataclass(frozen=True)
class ProfiledStep:
    """The step that vLLM profiles: max_num_seqs and max_num_batched_tokens."""

    seqs: int
    batched_tokens: int


def overhead(
    shape: ModelShape,
    gpu: Gpu,
    engine: Engine,
    step: ProfiledStep,
    *,
    tp: int = 1,
    pp: int = 1,
    graphs: bool = True,
    vision: bool = True,
    whole_experts: bool = False,
) -> Overhead:
    """Return the estimate for each card. graphs: CUDA graphs are captured (no --enforce-eager)."""
    if gpu.cpu:
        return Overhead((_CPU,))
    tokens = step.batched_tokens
    forward = forward_gib(shape, tp, tokens, whole_experts=whole_experts)
    sampler = sampler_gib(shape, engine, step.seqs, tokens)
    peak = step_gib(forward, sampler, hidden_gib(shape, tokens))
    formula = (
        f"the larger of {tokens:,} tokens' forward pass {forward.likely:.2f} and "
        f"{step.seqs:,} sequences' sampling {sampler.likely:.2f}, beside the hidden states"
    )
    if shape.vision is not None and vision:
        encoding, cached = encoder_gib(shape, engine, batched_tokens=tokens, seqs=step.seqs, tp=tp)
        peak = larger(encoding, cached + peak)
        formula += (
            f" and the encoder's outputs {cached.likely:.2f}; or the encoder itself "
            f"{encoding.likely:.2f} (budget {budget(shape, engine, tokens):,} tokens)"
        )
    major = gpu.compute_capability
    found = [
        OverheadPart("activation peak", peak, formula, _RUNNER),
        OverheadPart(
            "outside PyTorch", non_torch_gib(major), "logged", "onecard/fit/overhead/fixed.py"
        ),
    ]
    if tp * pp > 1:
        between = communication_gib(tp, pp)
        found.append(
            OverheadPart(
                "between cards", between, f"{tp * pp} cards", "onecard/fit/overhead/fixed.py"
            )
        )
    captured = graphs_gib(shape, step.seqs, taken=graphs and engine.counts_graphs)
    if captured.likely:
        source = "vLLM v1/worker/gpu_model_runner.py, profile_cudagraph_memory"
        found.append(OverheadPart("CUDA graphs", captured, "by layers and graphs", source))
    return Overhead(tuple(found))
