"""The hosts that a command works on, and the file of their host keys."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from onecard.cli import run_flags
from onecard.errors import UsageError
from onecard.project import find_own_folder, inventory_folder, inventory_path, own_folder

if TYPE_CHECKING:
    from onecard.inventory.host import Host
    from onecard.inventory.load import Inventory


def known_hosts() -> Path:
    """Return the project's file of host keys."""
    return inventory_folder() / "known_hosts"


def load_inventory() -> Inventory:
    """Return the inventory. Raises UsageError."""
    from onecard.inventory.load import load

    return load(inventory_path())


def chosen_hosts(requested: str | None) -> tuple[Host, ...]:
    """Return the hosts that a task is for, each with its lock file and the values of `--set`.

    Prints their names, and the reason, on standard error. Raises UsageError.
    """
    from onecard.inventory.selection import read_pin, select

    selection = select(
        load_inventory(),
        requested or None,
        os.environ,
        read_pin(own_folder()),
        limit=run_flags.current().limit,
        failed=_failed,
    )
    names = ", ".join(host.name for host in selection.hosts)
    print(f"host: {names} ({selection.reason})", file=sys.stderr)
    return tuple(map(_ready, selection.hosts))


def _failed() -> frozenset[str]:
    """Return the hosts whose last recorded run failed."""
    from onecard.records import find_runs

    last = {run.host: run.status for run in find_runs()[0]}
    return frozenset(host for host, status in last.items() if status == "failed")


def _ready(host: Host) -> Host:
    """Return a host with the settings of this run, and its lock."""
    from onecard.inventory.lock_files import with_lock

    folder = inventory_folder()
    return with_lock(_with_given_settings(host, folder.parent), folder)


def _with_given_settings(host: Host, folder: Path) -> Host:
    from onecard.inventory.override import with_block

    given = run_flags.given_settings()
    return host if given is None else with_block(host, given, "--set", folder)


def chosen_host(requested: str | None, several: str = "") -> Host:
    """Return the one host that a task is for. Raises UsageError if there are several.

    several: what to do then, where the task has a way.
    """
    hosts = chosen_hosts(requested)
    if len(hosts) != 1:
        names = ", ".join(host.name for host in hosts)
        raise UsageError(f"--host: this works on one host at a time, not on {names}{several}")
    return hosts[0]


def default_host() -> Host:
    """Return the host that a command works on where none is named, with its lock file.

    A box in no file, with the settings of all hosts, where there is not exactly one such host.
    Raises UsageError for an inventory with a mistake.
    """
    from onecard.inventory.host import Host
    from onecard.inventory.selection import ENVIRONMENT_KEY, read_pin, select
    from onecard.settings.connection import Connection
    from onecard.settings.settings import Settings

    if find_own_folder() is None:
        return _with_given_settings(Host("gpu", Connection(""), Settings()), Path.cwd())
    inventory, pinned = load_inventory(), read_pin(own_folder())
    if not (os.environ.get(ENVIRONMENT_KEY) or pinned or len(inventory.hosts) == 1):
        return _ready(inventory.rental)
    hosts = select(inventory, None, os.environ, pinned).hosts
    return _ready(hosts[0] if len(hosts) == 1 else inventory.rental)
