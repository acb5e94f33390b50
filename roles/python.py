"""uv, which resolves and installs, and what it is told about indexes."""

from __future__ import annotations

from pathlib import Path

from onecard import layout
from onecard.errors import UsageError
from onecard.facts import Facts
from onecard.host import Host
from onecard.locks.indexes import indexes, netrc
from onecard.places import PROJECT
from onecard.resources.base import Resource
from onecard.resources.files import Directory, File
from onecard.resources.python import PythonPackages, Venv
from onecard.resources.wheels import Wheels

# It stands before uv on the box and hands over pip's settings, which uv does not read.
PROGRAM = PROJECT / "onecard" / "data" / "tools" / "uv.py"


def wheelhouse(host: Host) -> Path | None:
    """Return the host's folder of wheels here. Raises UsageError when it has none."""
    if not host.settings.wheelhouse:
        return None
    folder = (PROJECT / host.settings.wheelhouse).resolve()
    if not any(folder.glob("*.whl")):
        raise UsageError(
            f"{host.name}: wheelhouse: {folder} is no folder with wheels; fill it: "
            f"invoke wheelhouse --out {host.settings.wheelhouse} --host {host.name}"
        )
    return folder


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return uv in an environment of its own, and the indexes that it asks."""
    wheels = wheelhouse(host)
    copied: tuple[Resource, ...] = (Wheels(layout.WHEELS, wheels),) if wheels else ()
    offline = ("--no-index", "--find-links", layout.WHEELS) if wheels else ()
    venv = f"{layout.TOOLS}/venv"
    return (
        Directory(layout.TOOLS),
        Directory(layout.VENVS),
        *copied,
        Venv(venv),
        PythonPackages(venv, ("uv",), options=offline),
        File(f"{layout.TOOLS}/indexes.json", indexes(host)),
        File(layout.UV, f"#!{venv}/bin/python\n{PROGRAM.read_text('utf-8')}", mode=0o755),
        *_credentials(host),
    )


def _credentials(host: Host) -> tuple[Resource, ...]:
    """Return the login; what a box has stays when none is given."""
    lines = netrc(host)
    if lines is None:
        return ()
    return (File(layout.INDEX_CREDENTIALS, lines, mode=0o600, sensitive=True),)
