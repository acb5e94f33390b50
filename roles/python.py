"""uv, which resolves and installs packages, and its indexes."""

from __future__ import annotations

from pathlib import Path

from onecard.box import paths
from onecard.errors import UsageError
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.locks.indexes import indexes, netrc
from onecard.locks.shortage import shortage
from onecard.project import PROJECT, own_path
from onecard.resources.base import Resource
from onecard.resources.files.file import Directory, File
from onecard.resources.python.packages import PythonPackages, Venv
from onecard.resources.python.wheels import Wheels

# A wrapper of uv on the box that passes on pip's settings, which uv does not read.
PROGRAM = PROJECT / "onecard" / "locks" / "programs" / "uv.py"


def wheelhouse(host: Host) -> Path | None:
    """Return the host's folder of wheels here. Raises UsageError when it has none."""
    if not host.settings.wheelhouse:
        return None
    folder = own_path(host.settings.wheelhouse)
    if not any(folder.glob("*.whl")):
        raise UsageError(
            f"{host.name}: wheelhouse: {folder} has no wheels; download them with: "
            f"invoke wheelhouse --out {host.settings.wheelhouse} --host {host.name}"
        )
    return folder


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return uv in an environment of its own, and its indexes."""
    wheels = wheelhouse(host)
    copied: tuple[Resource, ...] = (Wheels(paths.WHEELS, wheels),) if wheels else ()
    venv = f"{paths.TOOLS}/venv"
    return (
        Directory(paths.TOOLS),
        Directory(paths.VENVS),
        *copied,
        Venv(venv, facts.python.minor),
        installed(host, venv, "uv"),
        File(f"{paths.TOOLS}/indexes.json", indexes(host)),
        File(paths.UV, f"#!{venv}/bin/python\n{PROGRAM.read_text('utf-8')}", mode=0o755),
        *_credentials(host),
    )


def installed(host: Host, venv: str, requirement: str) -> PythonPackages:
    """Return a package that is installed from the host's wheelhouse, else from its indexes."""
    if not host.settings.wheelhouse:
        return PythonPackages(venv, (requirement,))
    offline = ("--no-index", "--find-links", paths.WHEELS)
    return PythonPackages(venv, (requirement,), offline, shortage(host, "{}"))


def _credentials(host: Host) -> tuple[Resource, ...]:
    """Return the login; without one, the box's own stays."""
    lines = netrc(host)
    if lines is None:
        return ()
    return (File(paths.INDEX_CREDENTIALS, lines, mode=0o600, sensitive=True),)
