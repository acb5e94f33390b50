"""uv, which resolves and installs, and what it is told about indexes."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from onecard import layout
from onecard.errors import UsageError
from onecard.facts import Facts
from onecard.host import Host
from onecard.locks.indexes import indexes
from onecard.resources.base import Resource
from onecard.resources.files import Directory, File
from onecard.resources.python import PythonPackages, Venv
from onecard.resources.wheels import Wheels

PROJECT = Path(__file__).resolve().parent.parent
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


def netrc(host: Host) -> str | None:
    """Return the login to the settings' own indexes as a netrc file; None when none is given.

    Raises UsageError for a login that is none.
    """
    if host.index_login is None:
        return None
    name, colon, password = host.index_login.reveal().partition(":")
    if not colon or not name or not password:
        raise UsageError("ONECARD_INDEX_CREDENTIALS: is not name:password")
    said = host.settings.indexes
    addresses = (said.url, *said.extra_urls, *said.find_links)
    machines = sorted({urlsplit(each).hostname or "" for each in addresses} - {""})
    return "".join(f"machine {each} login {name} password {password}\n" for each in machines)


def _credentials(host: Host) -> tuple[Resource, ...]:
    """Return the login; what a box has stays when none is given."""
    lines = netrc(host)
    if lines is None:
        return ()
    return (File(layout.INDEX_CREDENTIALS, lines, mode=0o600, sensitive=True),)
