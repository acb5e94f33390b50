"""`invoke hosts`, `trust` and `use`."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from onecard import cli
from onecard.errors import HostKeyError
from onecard.places import PROJECT
from onecard.selection import read_pin, select, write_pin
from onecard.wire import known_host_keys, remember, shown_host_key


def hosts(*, as_json: bool) -> int:
    """List the inventory; reads files only."""
    inventory = cli.load_inventory()
    pinned = read_pin(PROJECT)
    rows: list[dict[str, Any]] = []
    for host in inventory.hosts.values():
        place = host.connection
        keys = known_host_keys(host, cli.known_hosts())
        rows.append(
            {
                "host": host.name,
                "groups": list(host.groups),
                "address": place.address + (f":{place.port}" if place.port else ""),
                "user": place.user,
                "host_key": keys[0].fingerprint if keys else "unknown",
                "pinned": host.name == pinned,
            }
        )
    if as_json:
        cli.print_json({"hosts": rows, "groups": {k: list(v) for k, v in inventory.groups.items()}})
        return 0
    if not rows:
        print("no hosts yet: add yours to inventory/hosts.yml, or make one: invoke sandbox.up")
        return 0
    table = Table("host", "groups", "address", "user", box=None, padding=(0, 2, 0, 0))
    table.add_column("host key", overflow="fold")  # a fingerprint that is cut compares with nothing
    for row in rows:
        mark = " (pinned)" if row["pinned"] else ""
        groups = ", ".join(row["groups"])
        table.add_row(f"{row['host']}{mark}", groups, row["address"], row["user"], row["host_key"])
    Console(highlight=False).print(table)
    return 0


def trust(requested: str, *, replace: bool) -> int:
    """Show each host's key and keep it; a changed key only with `replace`."""
    for host in cli.chosen_hosts(requested):
        shown = shown_host_key(host, cli.known_hosts())
        known = known_host_keys(host, cli.known_hosts())
        if any(each.key == shown.key for each in known):
            print(f"{host.name}: already trusted: {shown.fingerprint}")
            continue
        if known and not replace:
            raise HostKeyError(
                f"{host.name}: the host key has changed: expected {known[0].fingerprint}, the box "
                f"shows {shown.fingerprint}. If the box was rebuilt: invoke trust --host "
                f"{host.name} --replace"
            )
        remember(cli.known_hosts(), shown)
        print(f"{host.name}: trusted from now on: {shown.fingerprint}")
    return 0


def use(name: str) -> int:
    """Pin a host (or a group), or none with `-`."""
    if name not in ("", "-"):
        select(cli.load_inventory(), name, {}, None)
    write_pin(PROJECT, name)
    print("no host is pinned" if name in ("", "-") else f"pinned: {name}")
    return 0
