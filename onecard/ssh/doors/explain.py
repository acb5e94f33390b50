"""What will be used to reach a host, and where each value is from; reads files only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onecard.inventory.host import Host
from onecard.ssh.doors.choose import beyond_paramiko
from onecard.ssh.host_keys import host_key_book, user_files
from onecard.ssh.openssh import client
from onecard.ssh.openssh.identities import TokenError, agent, existing
from onecard.ssh.openssh.known_hosts import about
from onecard.ssh.openssh.route import Route, resolve

DEFAULT = "default"


@dataclass(frozen=True)
class Explained:
    """How a host is reached.

    hops: the jump hosts, first hop first. keys: files that are offered, in order; agent: the socket
    of the agent, "" for none. host_key: fingerprint of the expected key, `certificate` for one that
    an authority signs, or `unknown`. client: `paramiko`, or `ssh` where only that can do what
    `reason` names. sources: where address, port, user, hops, keys and host_key are from: a line of
    the inventory, the ssh configuration, or `default`; host_key's is its file.
    """

    route: Route
    keys: tuple[str, ...]
    agent: str
    host_key: str
    client: str
    reason: str
    sources: Mapping[str, str]

    def to_json(self) -> dict[str, object]:
        """Return the keys of the document of `hosts --host`."""
        return {
            "address": self.route.address,
            "port": self.route.port,
            "user": self.route.user,
            "hops": [
                {"address": hop.address, "port": hop.port, "user": hop.user}
                for hop in self.route.via
            ],
            "proxy_command": self.route.proxy_command,
            "keys": list(self.keys),
            "agent": self.agent,
            "host_key": self.host_key,
            "host_key_name": self.route.host_key_name,
            "client": self.client,
            "reason": self.reason,
            "sources": dict(self.sources),
            "notes": list(self.route.notes),
        }


def explain(host: Host, known_hosts: Path) -> Explained:
    """Return how a host is reached. Raises UsageError as a login would."""
    route = resolve(host)
    book = host_key_book(route, known_hosts)
    fingerprints = [each.fingerprint for each in (*book.keys, *book.bare)]
    reason = beyond_paramiko(host, route, known_hosts)
    return Explained(
        route,
        _keys(host, route),
        agent(route) or "",
        next(iter(fingerprints), "certificate" if book.authority else "unknown"),
        "ssh" if reason and client.installed() else "paramiko",
        reason,
        _sources(host, route, known_hosts),
    )


def _keys(host: Host, route: Route) -> tuple[str, ...]:
    own = host.connection.key_file
    try:
        found = [*([own] if own else []), *existing(route)]
    except TokenError:
        found = [own] if own else []
    return tuple(dict.fromkeys(str(path) for path in found))


def _sources(host: Host, route: Route, known_hosts: Path) -> dict[str, str]:
    place = host.connection
    bare = resolve(host, config=False)
    arguments = {option.partition("=")[0].lower() for option in place.ssh_options}
    config = str(client.config_file() or "the ssh configuration")

    def source(setting: str, *options: str) -> str:
        changed = any(route.options.get(name) != bare.options.get(name) for name in options)
        # An alias of the ssh configuration stands for another address than the inventory's.
        if setting in place.sources and not (setting == "address" and changed):
            return place.sources[setting]
        if arguments.intersection(options):
            return place.sources.get("ssh_options", DEFAULT)
        return config if changed else DEFAULT

    keys = source("", "identityfile", "identityagent", "certificatefile", "identitiesonly")
    own = place.sources.get("key_file")
    files = [known_hosts, *user_files(route)]
    name = route.host_key_name
    return {
        "address": source("address", "hostname"),
        "port": source("port", "port"),
        "user": source("user", "user"),
        "hops": source("proxy_jump", "proxyjump", "proxycommand"),
        "keys": f"{own}; {keys}" if own else keys,
        "host_key": next((str(path) for path in files if about(name, [path])), ""),
    }
