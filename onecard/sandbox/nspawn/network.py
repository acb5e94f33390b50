"""The boxes' network on the controller: a bridge, forwarding, and masquerading."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

from onecard.sandbox.common.names import Labels
from onecard.sandbox.common.system import run, succeeds
from onecard.sandbox.nspawn.subnet import address_of, choose_subnet, parse_routes, parse_servers

_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
# The forwarding setting from before the first box of any project; removed with the last box.
_RUN = Path("/run/onecard-sandbox")
_BRIDGE_PREFIX = "ocb-"


class Bridge:
    """One project's bridge. Safe to bring up again; `down` undoes exactly what `up` did."""

    def __init__(self, labels: Labels) -> None:
        self._labels = labels

    def choose(self, resolv_conf: str, preferred: IPv4Network | None) -> IPv4Network:
        """Return the subnet for this project's boxes."""
        routes = run(["ip", "-4", "route", "show", "table", "all"])
        taken = parse_routes(routes, self._labels.bridge) + parse_servers(resolv_conf)
        return choose_subnet(self._labels.project, taken, preferred)

    def up(self, subnet: IPv4Network) -> None:
        """Make the bridge with its address, the masquerade table, and turn forwarding on."""
        bridge = self._labels.bridge
        with _machine_lock():
            if not _exists(bridge):
                run(["ip", "link", "add", bridge, "type", "bridge"])
            run(["ip", "addr", "replace", f"{address_of(subnet, 1)}/24", "dev", bridge])
            run(["ip", "link", "set", bridge, "up"])
            run(["nft", "-f", "-"], given=ruleset(self._labels, subnet))
            if _forwarding_dropped():
                for rule in _forward_rules(bridge):
                    if not succeeds(["iptables", "-C", "FORWARD", *rule]):
                        run(["iptables", "-I", "FORWARD", *rule])
            saved = _RUN / "ip_forward"
            if not saved.exists():
                saved.write_text(_FORWARD.read_text())
            _FORWARD.write_text("1\n")

    def down(self) -> None:
        """Remove the bridge and the table; restore forwarding after the last project."""
        bridge, table = self._labels.bridge, self._labels.table
        with _machine_lock():
            if succeeds(["nft", "list", "table", "ip", table]):
                run(["nft", "delete", "table", "ip", table])
            for rule in _forward_rules(bridge):
                if succeeds(["iptables", "-C", "FORWARD", *rule]):
                    run(["iptables", "-D", "FORWARD", *rule])
            if _exists(bridge):
                run(["ip", "link", "delete", bridge])
            saved = _RUN / "ip_forward"
            others = list(Path("/sys/class/net").glob(f"{_BRIDGE_PREFIX}*"))
            if saved.exists() and not others:
                _FORWARD.write_text(saved.read_text())
                saved.unlink()


def ruleset(labels: Labels, subnet: IPv4Network) -> str:
    """Return nft's input that creates the table again, whether or not it exists."""
    table = f"table ip {labels.table}"
    return (
        f"{table}\n"
        f"delete {table}\n"
        f"{table} {{\n"
        "  chain postrouting {\n"
        "    type nat hook postrouting priority 100; policy accept;\n"
        f'    ip saddr {subnet} oifname != "{labels.bridge}" masquerade\n'
        "  }\n"
        "}\n"
    )


def delete_interface(name: str) -> None:
    """Delete an interface that a box left behind."""
    if _exists(name):
        run(["ip", "link", "delete", name])


def _exists(interface: str) -> bool:
    return (Path("/sys/class/net") / interface).exists()


def _forward_rules(bridge: str) -> tuple[list[str], ...]:
    return (["-i", bridge, "-j", "ACCEPT"], ["-o", bridge, "-j", "ACCEPT"])


def _forwarding_dropped() -> bool:
    """Return whether another firewall, such as a container engine's, drops forwarded packets."""
    return succeeds(["sh", "-c", "iptables -S FORWARD | grep -qx -e '-P FORWARD DROP'"])


@contextmanager
def _machine_lock() -> Iterator[None]:
    _RUN.mkdir(mode=0o755, exist_ok=True)
    with (_RUN / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
