"""`invoke deploy --rolling` and `invoke rollback --rolling`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.table import Table

from onecard.cli import targets
from onecard.cli.output import print_json, show_error
from onecard.commands import deploy as one
from onecard.console.host_console import progress_console
from onecard.console.terminal import Terminal
from onecard.deploy.console import DeployConsole, deploy_console
from onecard.deploy.rollback import roll_back
from onecard.deploy.startup_check import StartupCheck
from onecard.errors import UsageError
from onecard.gateway.rolling import Roll, RolledHost, Step
from onecard.inventory.host import Host
from onecard.inventory.serving_groups.gateway_group import find_group

STYLES = {"ok": "green", "changed": "yellow", "failed": "bold red", "not begun": "dim"}
_ALONE = 1  # a host that is rolled alone may have a live line on the terminal


def refuse(*, rolling: bool, contribute: str = "") -> None:
    """Raise UsageError for flags that do not go together."""
    if not rolling:
        raise UsageError("--batch: goes with --rolling; add it")
    if contribute:
        raise UsageError("--contribute: works on one host at a time; leave out --rolling")


def deploy(
    requested: str,
    flags: Mapping[str, tuple[str, object]],
    *,
    batch: int,
    check: bool,
    diff: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Deploy to one batch of hosts after another; return 1 where one failed."""
    hosts = [one.prepared(host, flags) for host in targets.chosen_hosts(requested)]

    def step(host: Host) -> Step:
        done = one.deployed(host, flags, check=check, diff=diff, force=force, live=batch == _ALONE)
        if done.check is None:
            return Step(bool(done.changes.changes), None, None, serves=True)
        return _step(done.check, host, changed=bool(done.changes.changes))

    return _roll(hosts, step, batch, through=not check, as_json=as_json)


def rollback(requested: str, number: int | None, *, batch: int, as_json: bool) -> int:
    """Restore an earlier release of each host; return 1 where one failed."""

    def step(host: Host) -> Step:
        console = deploy_console(host, progress_console(live=batch == _ALONE))
        done = roll_back(host, targets.known_hosts(), console, number)
        return _step(done.check, host, changed=done.changed)

    return _roll(targets.chosen_hosts(requested), step, batch, through=True, as_json=as_json)


def _step(check: StartupCheck, host: Host, *, changed: bool) -> Step:
    return Step(
        changed,
        check.first.release,
        check.first.seconds,
        serves=check.starts[-1].answered,
        error=check.error(host.name),
    )


def _roll(
    hosts: Sequence[Host],
    step: Callable[[Host], Step],
    batch: int,
    *,
    through: bool,
    as_json: bool,
) -> int:
    """Roll the hosts and print the recap. through: take them out of their gateway meanwhile."""
    group = find_group(targets.load_inventory(), hosts) if through else None
    output = progress_console(live=batch == _ALONE)

    def say(host: Host, text: str) -> None:
        DeployConsole(output, host.name).say(text)

    done = Roll(step, group, targets.known_hosts(), say).run(hosts, batch)
    for each in done:
        if each.error is not None:
            show_error(each.error.message, each.error.detail)
    if as_json:
        print_json(
            {
                "gateway": group.host.name if group else None,
                "hosts": [each.to_json() for each in done],
            }
        )
    else:
        Terminal().print(_recap(done))
    return max((each.error.exit_code for each in done if each.error), default=0)


def _recap(done: Sequence[RolledHost]) -> Table:
    table = Table(title="Recap", title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("host")
    table.add_column("status")
    for name in ("release", "drained after", "answered after", "out of the gateway"):
        table.add_column(name, justify="right")
    for each in done:
        step = each.step
        table.add_row(
            each.host,
            f"[{STYLES[each.status]}]{each.status}[/]",
            str(step.release) if step and step.release else "",
            _seconds(each.drained_s),
            _seconds(step.ready_s if step else None),
            _seconds(each.out_s),
        )
    return table


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"
