"""How `ssh` would reach a host: address, port, user, hops, keys, host-key rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from onecard.errors import UsageError
from onecard.inventory.host import Host
from onecard.ssh.openssh import client, without_client

_MOST_HOPS = 8
# `[user@]host[:port]` of ProxyJump; `ssh -G` has already removed most of `ssh://`.
_JUMP = re.compile(
    r"(?:ssh://)?(?:(?P<user>.+)@)?(?:\[(?P<bracketed>[^\]]+)\]|(?P<host>[^:@\[\]]+))"
    r"(?::(?P<port>\d+))?/?"
)


@dataclass(frozen=True)
class Destination:
    """What `ssh` is given on its command line; an empty value leaves the choice to its files.

    options: as `-o` takes them, `Name=value`.
    """

    alias: str
    port: int | None = None
    user: str = ""
    jump: str = ""
    options: tuple[str, ...] = ()

    @property
    def flags(self) -> list[str]:
        """Return the flags of port, user and options."""
        port = ["-p", str(self.port)] if self.port else []
        user = ["-l", self.user] if self.user else []
        return [*port, *user, *(word for option in self.options for word in ("-o", option))]


@dataclass(frozen=True)
class Route:
    """The way to one machine.

    wanted: what it was resolved from. options: ssh's options by their names in lower case, a value
    for each line. via: the jump hosts, first hop first, each with its own way. notes: what of the
    configuration was not understood (only without an ssh program).
    """

    wanted: Destination
    address: str
    port: int
    user: str
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    via: tuple[Route, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def login(self) -> str:
        """Return `user@address`."""
        return f"{self.user}@{self.address}"

    @property
    def proxy_command(self) -> str:
        """Return the ProxyCommand as configured, tokens not expanded; "" if there is none."""
        return "" if self.via else self.one("proxycommand")

    @property
    def host_key_name(self) -> str:
        """Return the name that known_hosts has the host under."""
        if alias := self.one("hostkeyalias"):
            return alias.lower()
        address = self.address.lower()
        return address if self.port == 22 else f"[{address}]:{self.port}"

    def one(self, name: str) -> str:
        """Return an option's first value; "" where it is absent, or `none`."""
        value = next(iter(self.options.get(name, ())), "")
        return "" if value == "none" else value

    def yes(self, name: str) -> bool:
        """Return whether an option is switched on."""
        return self.one(name) in ("yes", "true")

    def number(self, name: str) -> int:
        """Return an option's number, 0 where it has none."""
        value = self.one(name)
        return int(value) if value.isdecimal() else 0


def resolve(host: Host, *, config: bool = True) -> Route:
    """Return the way to a host, as `ssh` would take it.

    config: read the ssh configuration; else the inventory's values alone count. Raises UsageError
    for a configuration that ssh refuses, or hops that lead in a circle.
    """
    place = host.connection
    wanted = Destination(place.address, place.port, place.user, place.proxy_jump, place.ssh_options)
    return _route(host.name, wanted, config=config)


def _route(name: str, wanted: Destination, inside: tuple[str, ...] = (), *, config: bool) -> Route:
    if len(inside) > _MOST_HOPS:
        raise UsageError(
            f"{name}: more than {_MOST_HOPS} jump hosts ({', '.join(inside[:3])} ...): ProxyJump "
            "leads in a circle; end it with `ProxyJump none` for the first of them"
        )
    notes: tuple[str, ...] = ()
    if client.installed():
        words = [*wanted.flags, *(["-J", wanted.jump] if wanted.jump else []), wanted.alias]
        options = client.options(name, words, config=config)
    else:
        options, notes = without_client.options(
            name, wanted.alias, (wanted.port, wanted.user, wanted.jump), config=config
        )
        if wanted.options:
            notes += (f"{', '.join(wanted.options)}: needs an ssh program on this computer",)
    via: tuple[Route, ...] = ()
    jump = next(iter(options.get("proxyjump", ())), "none")
    if jump != "none":
        before, _, last = jump.rpartition(",")
        inner = (*inside, wanted.alias)
        nearest = _route(name, _jump(name, last, before), inner, config=config)
        via = (*nearest.via, nearest)
    return Route(
        wanted,
        options["hostname"][0],
        int(options["port"][0]),
        options["user"][0],
        options,
        via,
        notes,
    )


def _jump(name: str, text: str, before: str) -> Destination:
    match = _JUMP.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{name}: ProxyJump {text} is not [user@]host[:port]")
    port = int(match["port"]) if match["port"] else None
    return Destination(match["bracketed"] or match["host"], port, match["user"] or "", before)
