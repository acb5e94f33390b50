"""Which hosts a command is for, and why those."""

from __future__ import annotations

import difflib
import fnmatch
import ipaddress
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from onecard.errors import UsageError
from onecard.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from onecard.host import Host
    from onecard.inventory import Inventory

ENVIRONMENT_KEY = "ONECARD_HOST"
HIGHEST_PORT = 65535

_USER = re.compile(r"[^\s@:,-][^\s@:,]*")
_ADDRESS = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
_BRACKETED = re.compile(r"\[([^\]]*)\](?::([0-9]+))?")


@dataclass(frozen=True)
class Selection:
    """hosts: at least one, none twice, in the inventory's order. reason: why these, for a human."""

    hosts: tuple[Host, ...]
    reason: str


def select(
    inventory: Inventory,
    requested: str | None,
    environment: Mapping[str, str],
    pinned: str | None,
) -> Selection:
    """Choose the hosts: `requested`, else ONECARD_HOST, else `pinned`, else the only one there is.

    Each of the three is a comma list of host names, groups, `all`, globs over host names,
    `user@address[:port]` and `[ipv6][:port]`; the last two are boxes in no file, with the settings
    of `inventory.rental`. Raises UsageError where a name is unknown or nothing but a guess is left.
    """
    if requested is not None:
        return Selection(_resolve(inventory, requested, "--host"), f"--host {requested}")
    if environment.get(ENVIRONMENT_KEY):
        chosen = environment[ENVIRONMENT_KEY]
        return Selection(
            _resolve(inventory, chosen, ENVIRONMENT_KEY), f"{ENVIRONMENT_KEY}={chosen}"
        )
    if pinned:
        return Selection(_resolve(inventory, pinned, "`invoke use`"), "pinned by `invoke use`")
    hosts = tuple(inventory.hosts.values())
    if len(hosts) == 1:
        return Selection(hosts, "the only host in the inventory")
    if not hosts:
        raise UsageError(
            "no host: the inventory has none; add one to inventory/hosts.yml, make one with "
            "`invoke sandbox.up`, or say --host user@address"
        )
    raise UsageError(
        f"which host? say --host NAME, set {ENVIRONMENT_KEY} or pin one with `invoke use HOST`; "
        + _known(inventory)
    )


def read_pin(project: Path) -> str | None:
    """Return the host pinned in `project`/.onecard/host, None if there is none."""
    try:
        return _pin(project).read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(".onecard/host: cannot be read; clear it with `invoke use -`") from error


def write_pin(project: Path, name: str) -> None:
    """Pin `name`, which the caller has selected once to see that it exists; "" or "-" unpins."""
    path = _pin(project)
    try:
        if name.strip() in ("", "-"):
            path.unlink(missing_ok=True)
            return
        write_whole(path, name.strip() + "\n")
    except OSError as error:
        raise UsageError(f".onecard/host: cannot be written: {error.strerror}") from error


def _pin(project: Path) -> Path:
    return project / ".onecard" / "host"


def _resolve(inventory: Inventory, requested: str, source: str) -> tuple[Host, ...]:
    names: set[str] = set()
    rentals: dict[str, Host] = {}
    words = [word.strip() for word in requested.split(",") if word.strip()]
    if not words:
        raise UsageError(f"{source}: no host is named; " + _known(inventory))
    for word in words:
        if "@" in word or _BRACKETED.fullmatch(word):
            rentals[word] = _rental(inventory, word, source)
        else:
            names.update(_named(inventory, word, source))
    listed = [host for name, host in inventory.hosts.items() if name in names]
    return (*listed, *rentals.values())


def _named(inventory: Inventory, word: str, source: str) -> tuple[str, ...]:
    group = inventory.groups.get(word)
    if word in inventory.hosts:
        if group is not None and group != (word,):
            raise UsageError(f"{source}: {word} is a host and a group of others; rename one")
        return (word,)
    if group is not None:
        if not group:
            raise UsageError(f"{source}: group {word} has no hosts; " + _known(inventory))
        return group
    matches = tuple(name for name in inventory.hosts if fnmatch.fnmatchcase(name, word))
    if matches:
        return matches
    near = difflib.get_close_matches(word, [*inventory.hosts, *inventory.groups], 1, 0.5)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    unpin = ", or unpin it with `invoke use -`" if source == "`invoke use`" else ""
    raise UsageError(
        f"{source}: there is no host or group {word}{hint}; {_known(inventory)}; "
        f"for a box in no file say user@address{unpin}"
    )


def _rental(inventory: Inventory, word: str, source: str) -> Host:
    """Return the host for `user@address[:port]` or `[ipv6][:port]`."""
    user, at, place = word.rpartition("@")
    address, port = _place(place)
    if not address or (at and not _USER.fullmatch(user)):
        raise UsageError(
            f"{source}: {word} is not user@address[:port]; an IPv6 address with a port is "
            "user@[address]:port"
        )
    if port is not None and not 1 <= port <= HIGHEST_PORT:
        raise UsageError(f"{source}: {word}: a port is a number from 1 to {HIGHEST_PORT}")
    if address in inventory.hosts:
        raise UsageError(
            f"{source}: {address} is a host of the inventory; say --host {address} and set its "
            "user and port there"
        )
    base = inventory.rental
    connection = replace(
        base.connection,
        address=address,
        user=user or base.connection.user,
        port=port if port is not None else base.connection.port,
    )
    return replace(base, name=word, connection=connection)


def _place(text: str) -> tuple[str, int | None]:
    """Split address and port; the address is "" if it is none."""
    bracketed = _BRACKETED.fullmatch(text)
    if bracketed:
        address, port = bracketed.group(1), bracketed.group(2)
        return (address if _is_ipv6(address) else ""), int(port) if port else None
    if _is_ipv6(text):
        return text, None
    address, colon, port = text.partition(":")
    if not _ADDRESS.fullmatch(address) or (colon and not re.fullmatch(r"[0-9]{1,9}", port)):
        return "", None
    return address, int(port) if colon else None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _known(inventory: Inventory) -> str:
    hosts = ", ".join(inventory.hosts) or "none"
    groups = ", ".join(name for name in inventory.groups if inventory.groups[name]) or "none"
    return f"hosts: {hosts}; groups: {groups}"
