"""`invoke deploy --group`, `rollback --group` and `diagnose --group`: one model over many boxes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from rich.table import Table

from onecard.cli import targets
from onecard.cli.output import print_json, show_error
from onecard.cli.task import print_rows
from onecard.cluster.deployment import ClusterDeployment, deploy_cluster, roll_back_cluster
from onecard.cluster.diagnosis import ClusterDiagnosis, diagnose_cluster
from onecard.commands import deploy as one
from onecard.commands.deploy_flags import words
from onecard.console.host_console import progress_console
from onecard.console.terminal import Terminal
from onecard.deploy.console import DeployConsole, deploy_console
from onecard.deploy.deployment_record import note_deployment
from onecard.diagnosis import advice
from onecard.errors import UsageError
from onecard.inventory.host import Host
from onecard.inventory.serving_groups.cluster_group import (
    ClusterGroup,
    cluster_group,
    require_stages,
)
from onecard.records import recorded
from onecard.records.record_listener import RecordListener
from onecard.ssh.login import Connected, connected


def refuse(**given: object) -> None:
    """Raise UsageError for a flag that does not go together with --group."""
    for name, value in given.items():
        if value:
            raise UsageError(f"--{name}: does not go with --group; leave it out")


def deploy(
    name: str,
    flags: Mapping[str, tuple[str, object]],
    *,
    check: bool,
    diff: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Deploy one model over the boxes of a group; return 1 where it did not answer."""
    group = _group(name, lambda host: one.with_settings(host, flags))
    require_stages(group)
    with recorded("deploy", group.head, keep=not check) as record, _connected(group) as boxes:
        done = deploy_cluster(
            group,
            boxes,
            _consoles(diff=diff),
            listeners=[RecordListener(record)],
            given=words(flags),
            check=check,
            force=force,
        )
        note_deployment(record, done.head)
    error = done.head.error
    if as_json:
        print_json(_to_json(group, done))
    if error is not None:
        show_error(error.message, error.detail)
        return 1
    if not as_json and not check:
        one.print_deployment(done.head)
        others = ", ".join(host.name for host in group.workers)
        print(f"boxes   {group.head.name} (head), {others}; state: invoke diagnose --group {name}")
    return 0


def rollback(name: str, number: int | None, *, as_json: bool) -> int:
    """Restore an earlier release of a group; return 1 where it does not answer."""
    group = _group(name, lambda host: host)
    with _connected(group) as boxes:
        chosen, changed, check = roll_back_cluster(group, boxes, _consoles(), number)
    error = check.error(group.head.name)
    if as_json:
        status = "failed" if error else "changed" if changed else "ok"
        more = {"error": error.message} if error else {}
        print_json(
            {"group": name, "host": group.head.name, **check.to_json(), **more, "status": status}
        )
    if error is not None:
        show_error(error.message, error.detail)
        return 1
    if not as_json:
        verb = "serves again" if changed else "nothing to do: serves already"
        print(
            f"{name}: release {chosen.number} {verb}: {chosen.model}, answered after "
            f"{check.first.seconds or 0:.1f} s"
        )
    return 0


def diagnose(name: str, *, as_json: bool) -> int:
    """Show the state of each box and the server's first error; return 1 for anything wrong."""
    group = _group(name, lambda host: host)
    found = diagnose_cluster(group, targets.known_hosts())
    if as_json:
        print_json(found.to_json())
    else:
        _print(group, found)
    return 1 if found.failure else 0


def _group(name: str, prepare: Callable[[Host], Host]) -> ClusterGroup:
    """Return the group's cluster, its hosts with their lock and this run's settings."""
    groups = targets.load_inventory().groups
    if name not in groups:
        raise UsageError(f"--group: there is no group {name}; groups: {', '.join(groups)}")
    return cluster_group(name, [prepare(host) for host in targets.chosen_hosts(name)])


@contextmanager
def _connected(group: ClusterGroup) -> Iterator[Sequence[Connected]]:
    """Log in to every box, the head first."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(connected(host, targets.known_hosts())) for host in group.members
        ]


def _consoles(*, diff: bool = False) -> Callable[[Host], DeployConsole]:
    output = progress_console(live=False)
    return lambda host: deploy_console(host, output, diff="all" if diff else "changed")


def _to_json(group: ClusterGroup, done: ClusterDeployment) -> dict[str, object]:
    return {
        **done.head.to_json(),
        "group": group.name,
        "boxes": [
            {"host": report.host, "status": report.status, "changed": report.changed}
            for report in done.reports
        ],
        "network": [link.to_json() for link in done.links],
    }


def _print(group: ClusterGroup, found: ClusterDiagnosis) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("box", "address", "Ray"):
        table.add_column(column, no_wrap=True)
    table.add_column("what is wrong", overflow="fold")
    for each in found.members:
        color = "red" if each.trouble else "green"
        table.add_row(each.name, each.address, f"[{color}]{each.ray or 'unknown'}[/]", each.trouble)
    Terminal().print(table)
    if found.server is None:
        return
    rows = [("server", found.server.line.strip()), ("cause", found.server.cause)]
    rows += advice(found.server, group.head.name)
    print_rows([(title, text) for title, text in rows if text])
