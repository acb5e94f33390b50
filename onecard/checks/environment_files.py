"""Probe whether the files of an environment's packages are complete."""

from __future__ import annotations

from onecard.checks import files_check
from onecard.inventory.host import Host

# Files of packages that are changed after the installation of a build for CPUs.
OPERATORS_FILE = "torchvision/extension.py"
PLATFORM_FILE = "vllm/platforms/cpu.py"


def files_check_script(host: Host) -> str:
    """Return shell that checks the files of the environment's packages, if it is installed."""
    later = (OPERATORS_FILE, PLATFORM_FILE) if host.settings.accelerator == "cpu" else ()
    return f"[ ! -x {host.venv}/bin/python3 ] || {{\n{files_check(later).script(host.venv)}\n}}"
