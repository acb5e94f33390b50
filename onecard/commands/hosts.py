"""`invoke hosts`, `settings`, `trust`, `rebind` and `use`."""

from __future__ import annotations

import difflib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from onecard.cli import targets
from onecard.cli.output import print_json
from onecard.console.hosts_table import print_hosts, print_routes
from onecard.console.settings_table import print_settings
from onecard.console.terminal import Terminal
from onecard.errors import UsageError
from onecard.inventory.host import Host
from onecard.inventory.load import Inventory
from onecard.inventory.origins import SettingValue, setting_values
from onecard.inventory.rebind import rebind as rebind_host
from onecard.inventory.selection import read_pin, rental, select, write_pin
from onecard.project import inventory_folder, own_folder
from onecard.settings.variables.ansible_names import USED
from onecard.ssh.doors.explain import explain
from onecard.ssh.doors.persistent import end_logins, persistent_login
from onecard.ssh.openssh.route import resolve
from onecard.ssh.trust import known_host_keys, trust_hops, trust_host

SSH_PORT = 22


def hosts(requested: str, *, as_json: bool) -> int:
    """List the inventory, or show how the requested hosts are reached; reads files only."""
    inventory = targets.load_inventory()
    chosen = targets.chosen_hosts(requested) if requested else tuple(inventory.hosts.values())
    pinned = read_pin(own_folder())
    with ThreadPoolExecutor(8) as pool:  # each host is resolved by an ssh program
        rows = list(pool.map(_resolved if requested else _listed, chosen))
    for row in rows:
        row["pinned"] = row["host"] == pinned
    if as_json:
        members = {name: list(hosts) for name, hosts in inventory.groups.items()}
        print_json({"hosts": rows, "groups": members, "ignored": _ignored(inventory)})
        return 0
    if not rows:
        print("no hosts yet: add yours to inventory/hosts.yml, or make one: invoke sandbox.up")
    elif requested:
        print_routes(rows)
    else:
        print_hosts(rows)
        if inventory.passed_over:
            names = (f"{name} ({place})" for name, place in inventory.passed_over.items())
            print(f"variables that onecard does not read: {', '.join(names)}")
    return 0


def close(requested: str, *, as_json: bool) -> int:
    """Close the connections that `keep_connection` keeps open, or those to the requested hosts."""
    known_hosts = targets.known_hosts()
    chosen = targets.chosen_hosts(requested) if requested else ()
    closed = end_logins([persistent_login(each, resolve(each), known_hosts) for each in chosen])
    if as_json:
        print_json({"closed": closed})
    else:
        print(f"closed {closed} connection{'' if closed == 1 else 's'}")
    return 0


def _listed(host: Host) -> dict[str, Any]:
    place, keys, refusal = host.connection, [], host.refusal
    try:
        keys = known_host_keys(host, targets.known_hosts())
    except UsageError as error:  # ssh refuses this host's configuration; the others are listed
        refusal = refusal or error.message.removeprefix(f"{host.name}: ")
    return {
        "host": host.name,
        "groups": list(host.groups),
        "address": place.address + (f":{place.port}" if place.port else ""),
        "user": place.user,
        "host_key": keys[0].fingerprint if keys else "unknown",
        "refused": refusal,
    }


def _resolved(host: Host) -> dict[str, Any]:
    explained = explain(host, targets.known_hosts())
    return {"host": host.name, "groups": list(host.groups), **explained.to_json()}


def _ignored(inventory: Inventory) -> list[dict[str, Any]]:
    places = inventory.passed_over.items()
    return [{"variable": name, "file": at.file, "line": at.line} for name, at in places]


def settings(key: str, requested: str, *, as_json: bool) -> int:
    """Show the hosts' settings, or those at `key`, and where each is set; reads files only."""
    rows = {host.name: _settings(host, key) for host in targets.chosen_hosts(requested)}
    if as_json:
        listed = [
            {"host": name, "settings": [row.to_json() for row in found]}
            for name, found in rows.items()
        ]
        print_json({"hosts": listed})
        return 0
    output = Terminal()
    for name, found in rows.items():
        print_settings(name, found, output)
    return 0


def _settings(host: Host, key: str) -> list[SettingValue]:
    path = USED.get(key, key)
    rows = list(setting_values(host))
    found = [row for row in rows if not path or f"{row.path}.".startswith(f"{path}.")]
    if not found:
        near = difflib.get_close_matches(path, [row.path for row in rows], 1)
        hint = f'did you mean "{near[0]}"?' if near else "`invoke settings` lists them"
        raise UsageError(f"{key}: no such setting; {hint}")
    return found


def trust(requested: str, *, replace: bool) -> int:
    """Show the keys of hosts and their jump hosts, and store them; changed ones with `replace`."""
    for host in targets.chosen_hosts(requested):
        for hop in trust_hops(host, targets.known_hosts()):
            print(f"{host.name}: jump host {hop.name}: trusted from now on: {hop.fingerprint}")
        shown, was_known = trust_host(host, targets.known_hosts(), replace=replace)
        when = "already trusted" if was_known else "trusted from now on"
        print(f"{host.name}: {when}: {shown.fingerprint}")
    return 0


def rebind(name: str, to: str) -> int:
    """Write a host's new address into the inventory."""
    if not (name and to):
        raise UsageError("rebind needs both --host NAME and --to user@address:port")
    root = inventory_folder()
    place = rental(targets.load_inventory(), to, "--to").connection
    files = rebind_host(root, name, place.address, place.port or SSH_PORT, place.user)
    for path in files:
        print(f"{name}: {path.relative_to(root.parent)}: {to}")
    if files:
        print(f"next    invoke trust --host {name} --replace")
    else:
        print(f"{name}: nothing to do: its address is already {to}")
    return 0


def use(name: str) -> int:
    """Pin a host (or a group), or none with `-`."""
    if name not in ("", "-"):
        select(targets.load_inventory(), name, {}, None)
    write_pin(own_folder(), name)
    print("no host is pinned" if name in ("", "-") else f"pinned: {name}")
    return 0
