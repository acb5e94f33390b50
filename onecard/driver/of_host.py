"""The driver inside a container, which is the host's: it works, or what makes it reach the box.

libnvidia-container mounts nvidia-smi and NVML for the capability `utility`, CUDA's library for
`compute` (NVIDIA Container Toolkit, "Driver Capabilities"), and runs ldconfig in the container.
"""

from __future__ import annotations

from onecard.driver import open_modules
from onecard.driver.plan import DriverPlan
from onecard.facts.model import Facts

_RUNTIME = (
    "create the pod with NVIDIA's runtime (docker: --gpus all) and "
    "NVIDIA_DRIVER_CAPABILITIES=compute,utility"
)
# NVIDIA, "CUDA on WSL User Guide": the driver of Windows is the only one that is needed.
_WINDOWS = (
    "install or update NVIDIA's driver on Windows, run `wsl --update`, and install no driver in WSL"
)


def host_driver(facts: Facts) -> DriverPlan:
    """Return the plan for the driver of a container or of WSL: leave it, or what makes it work."""
    driver = facts.driver
    if driver.smi == "ok" and facts.gpus:
        return DriverPlan("leave", f"driver {driver.version}, which is the host's")
    if facts.machine.container.kind in ("", "wsl"):
        failed = f": {driver.error}" if driver.error else ""
        return DriverPlan("refuse", f"the driver of Windows does not reach WSL{failed}", _WINDOWS)
    if driver.smi == "failed" and "libnvidia-ml" in driver.error:
        return DriverPlan(
            "refuse",
            f"the loader does not find the driver's libnvidia-ml.so: {driver.error}",
            f"run ldconfig on the box; if that does not help, {_RUNTIME}",
        )
    undriven = open_modules.undriven(facts)
    if driver.smi == "failed" and undriven:
        return DriverPlan(
            "refuse",
            f"{undriven} needs NVIDIA's open kernel modules, and the host's driver {driver.loaded} "
            "has the closed ones",
            "take a pod on another machine, and report this one's driver to the provider",
        )
    if driver.smi == "failed":
        logged = f"; {facts.kernel_log.last}" if facts.kernel_log.last else ""
        return DriverPlan(
            "refuse",
            f"driver {driver.loaded} is loaded and nvidia-smi fails: {driver.error}{logged}",
            "take a pod on another machine, and report the card to the provider",
        )
    if driver.loaded or driver.device_nodes:
        return DriverPlan(
            "refuse",
            f"the host's driver {driver.loaded} is not passed into this container (no nvidia-smi)",
            _RUNTIME,
        )
    return DriverPlan(
        "refuse",
        f"no NVIDIA driver reaches this {facts.machine.container.kind} container",
        f"choose a pod with a GPU, or {_RUNTIME}",
    )
