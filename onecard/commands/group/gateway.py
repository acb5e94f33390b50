"""`invoke gateway`."""

from __future__ import annotations

from collections.abc import Callable

from rich.table import Table

from onecard.access.snippets import curl_line
from onecard.cli import targets
from onecard.cli.output import print_json
from onecard.console.host_console import HostConsole, progress_console
from onecard.console.terminal import Terminal
from onecard.engine.host_report import HostReport
from onecard.errors import UsageError
from onecard.gateway.balancer import drain, ready, states
from onecard.gateway.install import InstalledGateway, install_gateway, remove_gateway
from onecard.inventory.host import Host
from onecard.inventory.serving_groups.gateway_group import GatewayGroup, required_group
from onecard.ssh.login import Connected, connected

STYLES = {"up": "green", "down": "bold red", "drained": "yellow"}


def gateway(
    requested: str,
    *,
    check: bool,
    diff: bool,
    remove: bool,
    drained: bool,
    back_in: bool,
    as_json: bool,
) -> int:
    """Install the gateway of a group, remove it, or take the chosen boxes out and back in.

    drained: take them out and wait until their requests have ended. back_in: the reverse.
    """
    if remove + drained + back_in > 1 or (check and (drained or back_in)):
        raise UsageError("--remove, --drain, --ready: one at a time; --check goes with --remove")
    hosts = targets.chosen_hosts(requested)
    group = required_group(targets.load_inventory(), hosts)
    console = HostConsole(
        progress_console(), group.host.name, show_plan=check, diff="all" if diff else "none"
    )
    if drained or back_in:
        return _move(group, hosts, console, _in if back_in else _out, as_json=as_json)
    if remove:
        report = remove_gateway(group, targets.known_hosts(), console, check=check)
        done = InstalledGateway(report)
    else:
        done = install_gateway(group, targets.known_hosts(), console, check=check)
    if as_json:
        print_json(done.report.to_json() if check else _to_json(group, done))
    elif check:
        if not done.report.pending:
            print(f"{group.host.name}: nothing would change")
    elif remove:
        print(f"{group.host.name}: {_removed(done.report)}")
    else:
        _print(group, done)
    return 0


def _removed(report: HostReport) -> str:
    return "the gateway is removed" if report.changed else "nothing to do: it has no gateway"


def _to_json(group: GatewayGroup, done: InstalledGateway) -> dict[str, object]:
    end = done.endpoint
    return {
        "host": group.host.name,
        "status": done.report.status,
        "changed": done.report.changed,
        "url": end.url if end else None,
        "model": end.model if end else None,
        "certificate": str(end.certificate) if end and end.certificate else None,
        "key_files": {name: str(file) for name, file in done.keys.items()},
        "boxes": [vars(each) for each in done.boxes],
    }


def _print(group: GatewayGroup, done: InstalledGateway) -> None:
    end, name = done.endpoint, group.host.name
    assert end is not None
    verb = "serving" if done.report.changed else "nothing to do: already serving"
    count = f"{len(group.boxes)} box{'' if len(group.boxes) == 1 else 'es'}"
    print(f"{verb}: {end.model} at {end.url}, on {name}, before {count}")
    print("checked from here: 200 with its key, 401 without it, 404 outside /v1")
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("box")
    table.add_column("state")
    table.add_column("requests now", justify="right")
    for each in done.boxes:
        table.add_row(each.name, f"[{STYLES[each.state]}]{each.state}[/]", str(each.running))
    Terminal().print(table)
    if end.certificate:
        print(f"certificate  self-signed; clients trust this copy: {end.certificate}")
    for client, file in done.keys.items():
        print(f"key of {client}  {file}")
    print(f"figures      http://127.0.0.1:{group.settings.metrics_port}/metrics on {name}")
    print(f"\n{curl_line(end, 'Say hello.')}\n")
    print(f"next    invoke deploy --host {group.boxes[0].name},... --rolling")
    print(f"undo    invoke gateway --host {name} --remove")


def _move(
    group: GatewayGroup,
    hosts: tuple[Host, ...],
    console: HostConsole,
    move: Callable[[Connected, GatewayGroup, Host, HostConsole], None],
    *,
    as_json: bool,
) -> int:
    """Take the chosen boxes out of the gateway, or put them back in, one after another."""
    names = {box.name for box in group.boxes}
    for host in hosts:
        if host.name not in names:
            raise UsageError(f"--host: {host.name} is not a box behind the gateway; name one")
    with connected(group.host, targets.known_hosts()) as box:
        for host in hosts:
            move(box, group, host, console)
        found = states(box).values()
    if as_json:
        document = _to_json(group, InstalledGateway(HostReport(group.host.name)))
        print_json({**document, "boxes": [vars(each) for each in found]})
    return 0


def _out(box: Connected, group: GatewayGroup, host: Host, console: HostConsole) -> None:
    def waiting(running: int) -> None:
        console.say_once(f"{host.name}: waits for its running requests to end")

    seconds = drain(box, host.name, group.settings.drain_timeout, waiting)
    console.say(f"{host.name}: gets no new requests, its last one has ended ({seconds:.1f} s)")


def _in(box: Connected, group: GatewayGroup, host: Host, console: HostConsole) -> None:
    ready(box, host.name)
    console.say(f"{host.name}: back in, and up")
