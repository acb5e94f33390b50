"""Which hosts a command is for, and the reason for the choice."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from onecard.box.atomic_write import write_whole
from onecard.errors import UsageError
from onecard.inventory.patterns import FAILED, known, matching, words_of
from onecard.settings.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from onecard.inventory.host import Host
    from onecard.inventory.load import Inventory

ENVIRONMENT_KEY = "ONECARD_HOST"
HIGHEST_PORT = 65535

_USER = re.compile(r"[^\s@:,'\"`$;&<>|(){}-][^\s@:,'\"`$;&<>|(){}]*")
_ADDRESS = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?\.?")
_BRACKETED = re.compile(r"\[([^\]]*)\](?::([0-9]+))?")


@dataclass(frozen=True)
class Selection:
    """hosts: at least one, none twice, in the inventory's order. reason: for people."""

    hosts: tuple[Host, ...]
    reason: str


def select(
    inventory: Inventory,
    requested: str | None,
    environment: Mapping[str, str],
    pinned: str | None,
    *,
    limit: str = "",
    failed: Callable[[], Collection[str]] = frozenset,
) -> Selection:
    """Choose the hosts: `requested`, else ONECARD_HOST, else `pinned`, else the only one there is.

    Each of the three is a comma list of patterns (patterns.py), `user@address[:port]` and
    `[ipv6][:port]`; the last two are boxes in no file, with the settings of `inventory.rental`.
    limit: a pattern; the hosts that it does not match are left out. failed: returns the hosts whose
    last run failed. Raises UsageError where a name is unknown, no rule picks a host, or the host
    cannot be used.
    """
    hosts = tuple(inventory.hosts.values())
    named = _named(requested, environment, pinned)
    if named is not None:
        (text, source, reason) = named
        chosen = Selection(_resolve(inventory, text, source, failed), reason)
    elif limit and hosts:
        chosen = Selection(hosts, "")
    elif len(hosts) == 1:
        chosen = Selection(hosts, "the only host in the inventory")
    else:
        raise _nothing_chosen(inventory)
    if limit:
        matches = matching(inventory, words_of(limit, "--limit"), "--limit", failed)
        hosts = tuple(host for host in chosen.hosts if host.name in matches)
        if not hosts:
            raise UsageError(f"--limit: {limit} leaves none of {chosen.reason}")
        reason = f"{chosen.reason}, --limit {limit}" if chosen.reason else f"--limit {limit}"
        chosen = Selection(hosts, reason)
    for host in chosen.hosts:
        if host.refusal:
            raise UsageError(host.refusal)
    return chosen


def _named(
    requested: str | None, environment: Mapping[str, str], pinned: str | None
) -> tuple[str, str, str] | None:
    """Return what names the hosts, its source for messages, and the reason for people."""
    if requested is not None:
        return requested, "--host", f"--host {requested}"
    if environment.get(ENVIRONMENT_KEY):
        chosen = environment[ENVIRONMENT_KEY]
        return chosen, ENVIRONMENT_KEY, f"{ENVIRONMENT_KEY}={chosen}"
    return (pinned, "`invoke use`", "pinned by `invoke use`") if pinned else None


def _nothing_chosen(inventory: Inventory) -> UsageError:
    if not inventory.hosts:
        return UsageError(
            "no host: the inventory has none; add one to inventory/hosts.yml, make one with "
            "`invoke sandbox.up`, or pass --host user@address"
        )
    return UsageError(
        f"which host? pass --host NAME, set {ENVIRONMENT_KEY} or pin one with `invoke use HOST`; "
        + known(inventory)
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
    """Pin `name`, which the caller has selected once to verify that it exists; "" or "-" unpins."""
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


def _resolve(
    inventory: Inventory, requested: str, source: str, failed: Callable[[], Collection[str]]
) -> tuple[Host, ...]:
    rentals: dict[str, Host] = {}
    patterns: list[str] = []
    for word in words_of(requested, source):
        if _BRACKETED.fullmatch(word) or ("@" in word and not _is_failed(word)):
            rentals[word] = rental(inventory, word, source)
        else:
            patterns.append(word)
    if not (rentals or patterns):
        raise UsageError(f"{source}: no host is named; " + known(inventory))
    names = matching(inventory, patterns, source, failed) if patterns else set()
    listed = [host for name, host in inventory.hosts.items() if name in names]
    return (*listed, *rentals.values())


def _is_failed(word: str) -> bool:
    return any(part.lstrip("!&") == FAILED for part in word.split(":"))


def rental(inventory: Inventory, word: str, source: str) -> Host:
    """Return the host for `user@address[:port]` or `[ipv6][:port]`.

    source: the flag in messages. Raises UsageError.
    """
    user, at, place = word.rpartition("@")
    address, port = _place(place)
    if not address or (at and not (user.isprintable() and _USER.fullmatch(user))):
        raise UsageError(
            f"{source}: {word} is not user@address[:port]; an IPv6 address with a port is "
            "user@[address]:port"
        )
    if port is not None and not 1 <= port <= HIGHEST_PORT:
        raise UsageError(f"{source}: {word}: a port is a number from 1 to {HIGHEST_PORT}")
    if address in inventory.hosts:
        raise UsageError(
            f"{source}: {address} is a host of the inventory; pass --host {address} and set its "
            "user and port there"
        )
    base = inventory.rental
    connection = replace(
        base.connection,
        address=address,
        user=user or base.connection.user,
        port=port if port is not None else base.connection.port,
    )
    given = {"address": address, "user": user, "port": port}
    named = {key: source for key, value in given.items() if value}
    connection = replace(connection, sources={**connection.sources, **named})
    given = {"address": address, "user": user, "port": port}
    given = {key: value for key, value in given.items() if value}
    connection = replace(connection, sources={**connection.sources, **dict.fromkeys(given, source)})
    # A block of its own says where the values come from.
    block = Layer(given, source, "")
    return replace(base, name=word, connection=connection, layers=(*base.layers, block))


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
