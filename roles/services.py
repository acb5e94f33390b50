"""What runs services on a box without systemd: supervisord, in an environment of onecard's own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import onecard
from onecard.box import paths, services
from onecard.box.supervision import SUPERVISOR
from onecard.facts import Facts
from onecard.facts.places import boot_script, volume_folder
from onecard.inventory.host import Host
from onecard.resources.absent import NoPath
from onecard.resources.base import Resource
from onecard.resources.files.file import Directory, File
from onecard.resources.files.text_files import TextFiles
from onecard.resources.python.packages import Venv
from onecard.resources.system.boot_line import BootLine
from onecard.resources.system.manager import NoServiceManager, ServiceManager
from roles import base, python

PACKAGE: Final = Path(onecard.__file__).parent
SOURCES: Final = ("box/*.py", "box/services.sh", "box/supervision/*.py")


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the service manager; nothing where systemd is one."""
    if facts.machine.systemd:
        return ()
    return (
        *programs(),
        Directory(paths.LOGS, mode=0o700),
        Directory(paths.UNITS),
        Venv(paths.SUPERVISOR, facts.python.minor),
        python.installed(host, paths.SUPERVISOR, SUPERVISOR),
        *_at_boot(host, facts),
        ServiceManager(),
    )


def _at_boot(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the script that does for a pod what a boot does, and the line that runs it."""
    volume = volume_folder(host.settings.root, facts)
    account = (
        f"{each.probe()} >/dev/null || {{ {each.fix({}, {})}\n}}" for each in base.account(host)
    )
    lines = [
        "#!/bin/sh",
        "# Written by onecard: puts back what a stop of the pod deleted, and starts the services.",
        "set -e",
        services.SHELL,
        *(f"[ -e {each.path} ] || {{ {each.fix({}, {})}\n}}" for each in base.links(volume)),
        *account,
        "services boot",
        "",
    ]
    script = boot_script(host.settings.root, facts)
    return (
        File(script, "\n".join(lines), mode=0o755),
        BootLine(script, host.settings.start_at_boot),
    )


def absent(facts: Facts) -> tuple[Resource, ...]:
    """Return the service manager as absent; systemd is not onecard's."""
    if facts.machine.systemd:
        return ()
    return BootLine("", present=False), NoServiceManager(), NoPath(paths.SUPERVISOR_RUN)


def programs() -> tuple[Resource, ...]:
    """Return onecard's programs on the box, in the same packages as here."""
    sources = sorted(path for pattern in SOURCES for path in PACKAGE.glob(pattern))
    files = tuple((f"onecard/{path.relative_to(PACKAGE)}", path.read_text()) for path in sources)
    waiter = PACKAGE / "box" / "wait-for-memory.sh"
    return (
        TextFiles(paths.PROGRAMS, (("onecard/__init__.py", ""), *files)),
        File(paths.WAIT_FOR_MEMORY, waiter.read_text(), mode=0o755),
    )
