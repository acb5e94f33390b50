"""Probe whether the files of an environment's packages are complete."""

from __future__ import annotations

from onecard.checks import files_check
from onecard.inventory.host import Host

OPERATORS_FILE = "torchvision/extension.py"


def files_check_script(host: Host) -> str:
    """Return shell that checks the files of the environment's packages, if it is installed."""
    later = (OPERATORS_FILE,) if host.settings.accelerator == "cpu" else ()
    return f"[ ! -x {host.venv}/bin/python3 ] || {{\n{files_check(later).script(host.venv)}\n}}"
