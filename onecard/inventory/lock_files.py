"""Lock files: inventory/locks/HOST.yml, and the copy in each environment on a box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from onecard.box.atomic_write import write_whole
from onecard.errors import UsageError
from onecard.inventory.host import Host
from onecard.inventory.lock import Lock, build_request
from onecard.settings.setting_errors import dotted, explain
from onecard.settings.yaml_file import read

FOLDER = "locks"

_HEAD = """\
# The exact build that {name} runs. `invoke provision` installs this and nothing newer;
# `invoke upgrade --host {name}` moves it.
"""


def path_of(inventory: Path, name: str) -> Path:
    """Return the path of a host's lock file."""
    return inventory / FOLDER / f"{name.replace('/', '_')}.yml"


def owner(host: Host) -> str:
    """Return whose lock file a host has: its cluster's head's, so that all boxes run one build."""
    return host.settings.cluster.head or host.name


def with_lock(host: Host, inventory: Path) -> Host:
    """Return the host with its lock, if it has one. Raises UsageError naming file and key."""
    path = path_of(inventory, owner(host))
    if not path.is_file():
        return host
    shown = path.relative_to(inventory.parent).as_posix()
    return replace(host, lock=parse(read(path, shown), shown, host.name))


def parse(values: Mapping[str, Any], shown: str, name: str) -> Lock:
    """Return the lock that a file holds. Raises UsageError in one line."""
    try:
        return Lock.model_validate(values)
    except ValidationError as error:
        location, message = explain(error)[0]
        # The settings' own hints do not fit here.
        message = message.partition("; see ")[0].partition("; did you mean")[0]
        missing = message == "Field required" or message.endswith("required")
        message = "is missing" if missing else message
        where = ": ".join(part for part in (shown, dotted(location)) if part)
        raise UsageError(
            f"{where}: {message}; restore the file, or delete it and run: "
            f"invoke upgrade --host {name}"
        ) from error


def refuse_other_settings(host: Host, inventory: Path) -> None:
    """Raise UsageError when the settings request another build than the lock's."""
    if host.lock is not None and host.lock.asked != build_request(host.settings):
        shown = path_of(inventory, owner(host)).relative_to(inventory.parent).as_posix()
        raise UsageError(
            f"{host.name}: {shown} was made for {host.lock.asked}, the settings now require "
            f"{build_request(host.settings)}; run: invoke upgrade --host {host.name}"
        )


def dump(lock: Lock) -> str:
    """Return a lock as YAML."""
    return str(yaml.safe_dump(lock.to_plain(), sort_keys=False))


def write(inventory: Path, name: str, lock: Lock) -> Path:
    """Write a host's lock, whole or not at all, and return the file."""
    path = path_of(inventory, name)
    try:
        write_whole(path, _HEAD.format(name=name) + dump(lock))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    return path
