"""Whether the boxes of a cluster are alike: what one model over several cards needs."""

from __future__ import annotations

from collections.abc import Mapping

from onecard.errors import PreflightError
from onecard.facts import Facts
from onecard.inventory.host import Host


def require_alike(found: Mapping[str, Facts]) -> None:
    """Raise PreflightError for a box that cannot carry Ray, or is another than the first.

    found: name of the box -> its facts.
    """
    (name, first), *others = found.items()
    for box, facts in found.items():
        if not facts.machine.systemd:
            raise PreflightError(
                f"{box}: a pod cannot be part of a cluster: Ray is confined to the boxes of it by "
                "systemd's filter; take machines (nothing was changed)"
            )
    for other, facts in others:
        for what, own, its in (
            ("cards", _cards(first), _cards(facts)),
            ("driver", first.driver.version or "none", facts.driver.version or "none"),
            ("processor", first.kernel.arch, facts.kernel.arch),
        ):
            if own != its:
                raise PreflightError(
                    f"{name} and {other} are not alike: {what} {own}, and {its}; a cluster needs "
                    "the same on all of its boxes (nothing was changed)"
                )


def refuse_cpu(host: Host) -> None:
    """Raise PreflightError for vLLM's CPU build, whose start with Ray fails.

    vllm/v1/executor/ray_utils.py, initialize_ray_cluster: its platform names no device for Ray.
    """
    if host.settings.accelerator == "cpu":
        raise PreflightError(
            f"{host.name}: vLLM's CPU build ends with ValueError: current platform cpu does not "
            "support ray: a cluster needs cards; --force starts it all the same (nothing was "
            "changed)"
        )


def _cards(facts: Facts) -> str:
    names = [gpu.name for gpu in facts.gpus]
    return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names)) or "none"
