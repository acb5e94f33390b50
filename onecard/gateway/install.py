"""Puts the gateway on its host, and takes it away."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from onecard.access.exposure import (
    DEADLINE_S,
    public_api,
    require_free_ports,
    require_name,
    require_sense,
)
from onecard.access.public import wait_until_public
from onecard.access.snippets import Endpoint
from onecard.box import paths
from onecard.console.host_console import HostConsole
from onecard.credentials import client_copies
from onecard.credentials.secret import Secret
from onecard.engine.converge import converge
from onecard.engine.host_plan import RolePlan
from onecard.engine.host_report import HostReport
from onecard.errors import PreflightError, UnhealthyError
from onecard.facts import Facts
from onecard.gateway.balancer import BACK_IN_S, BoxState, states, wait_until_up
from onecard.inventory.host import Host
from onecard.inventory.serving_groups.gateway_group import GatewayGroup
from onecard.resources.base import fields
from onecard.server.client import api_key
from onecard.server.state import service_state
from onecard.ssh.login import Connected, connected, holder
from roles import gateway as role


@dataclass(frozen=True)
class InstalledGateway:
    """The result of `install_gateway`; only the report with `check`.

    endpoint: where the first client reaches it. keys: client -> the file with its key.
    """

    report: HostReport
    endpoint: Endpoint | None = None
    keys: Mapping[str, Path] = field(default_factory=dict)
    boxes: tuple[BoxState, ...] = ()


def install_gateway(
    group: GatewayGroup, known_hosts: Path, console: HostConsole, *, check: bool
) -> InstalledGateway:
    """Bring the gateway to its settings and its boxes; wait until it answers and they are up.

    Raises UsageError for settings that contradict each other, PreflightError for a box that the
    gateway cannot reach or a host that cannot carry it, UnhealthyError where it does not answer.
    """
    host, wanted = group.host, group.settings
    require_sense(host.name, wanted, "gateway")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: _read(each, host, known_hosts), group.boxes))
    back_ends, models = [each for each, _ in found], {model for _, model in found}
    if len(models) > 1:
        raise PreflightError(
            f"the boxes serve different models ({', '.join(sorted(models))}): one address needs "
            "one served name; set model.name for the group, and deploy (nothing was changed)"
        )
    report = HostReport(host.name)
    with connected(host, known_hosts) as box:
        require_name(host.name, wanted, box.connection.address, console)
        shown = fields(box.session.run(f"services show {paths.GATEWAY_UNIT}").output)
        ours = {"haproxy"} if shown.get("ActiveState") == "active" else set()

        def guard(facts: Facts) -> None:
            _require_machine(host, facts)
            require_free_ports(role.ports(wanted), facts, ours)

        def roles(host: Host, facts: Facts) -> tuple[RolePlan, ...]:
            return (RolePlan("gateway", role.desired(group, back_ends, facts)),)

        converge(
            box.session,
            host,
            roles,
            listener=console,
            report=report,
            holder=holder("gateway"),
            check=check,
            guard=guard,
        )
        if check:
            return InstalledGateway(report)
        return _answering(box, group, models.pop(), report)


def remove_gateway(
    group: GatewayGroup, known_hosts: Path, console: HostConsole, *, check: bool
) -> HostReport:
    """Remove everything that `install_gateway` installed, its packages and keys included."""
    report = HostReport(group.host.name)
    with connected(group.host, known_hosts) as box:
        converge(
            box.session,
            group.host,
            lambda host, facts: (RolePlan("gateway", role.absent()),),
            listener=console,
            report=report,
            holder=holder("gateway"),
            check=check,
        )
    if not check:
        client_copies.remove_gateway(group.host.name)
    return report


def _read(host: Host, carrier: Host, known_hosts: Path) -> tuple[role.BackEnd, str]:
    """Return a box as the gateway reaches it, and its served name, from the release that runs."""
    with connected(host, known_hosts) as box:
        state, key = service_state(box.session), api_key(box.session)
        address = box.connection.address
    if not state.loaded or key is None:
        raise PreflightError(state.absence(host.name))
    listens = state.options.get("host", "127.0.0.1")
    here = host.name == carrier.name
    if not here and (listens.startswith("127.") or listens in ("::1", "localhost")):
        raise PreflightError(
            f"{host.name}: its server listens on {listens}, which {carrier.name} cannot reach: set "
            f"serve.address to the box's private address, and run: invoke deploy --host "
            f"{host.name} (nothing was changed)"
        )
    reached = state.address if here or state.address == listens else address
    return role.BackEnd(host.name, reached, state.port, key), state.model


def _require_machine(host: Host, facts: Facts) -> None:
    if not facts.machine.systemd:
        raise PreflightError(
            f"{host.name}: a pod cannot carry the gateway, which needs systemd; set gateway.host "
            "to a machine (nothing was changed)"
        )


def _answering(
    box: Connected, group: GatewayGroup, model: str, report: HostReport
) -> InstalledGateway:
    """Wait until the boxes are up and the public address answers; save the copies for clients."""
    wanted = group.settings
    drained = [each.name for each in states(box).values() if each.state == "drained"]
    wait_until_up(
        box, tuple(each.name for each in group.boxes if each.name not in drained), BACK_IN_S
    )
    keys = {client: _save_key(box, client) for client in wanted.clients}
    api = public_api(
        box,
        wanted,
        wanted.port,
        role.certificate_file(wanted),
        client_copies.GATEWAY_CERTIFICATE,
    )
    file = keys[wanted.clients[0]]
    wait_until_public(api, Secret(file.read_text().strip()), DEADLINE_S)
    endpoint = Endpoint(api.url, model, file, api.trusted)
    return InstalledGateway(report, endpoint, keys, tuple(states(box).values()))


def _save_key(box: Connected, client: str) -> Path:
    text = box.session.run(f"cat {role.client_file(client)}").output
    value = fields(text).get(role.CLIENT_VARIABLE)
    if not value:
        raise UnhealthyError(f"{box.host.name}: the gateway has no key for {client}; run it again")
    return client_copies.save_gateway_key(box.host.name, client, Secret(value))
