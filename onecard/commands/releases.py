"""`invoke releases` and `invoke rollback`."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console
from rich.table import Table

from onecard import cli, releases
from onecard.connect import connected
from onecard.console import progress_console
from onecard.deployment import bring_into_force
from onecard.facts import Facts
from onecard.host import Host
from onecard.plan import RolePlan
from onecard.runs.usual import Usual
from onecard.secret_store import find
from onecard.trial_console import TrialConsole
from roles import serve

STYLES = {"ready": "green", "failed": "red", "starting": "yellow"}


def list_releases(requested: str, *, as_json: bool) -> int:
    """Show every release of a host, the newest last."""
    host = cli.chosen_host(requested)
    with connected(host, cli.known_hosts()) as box:
        found = releases.list_releases(box.session)
    if as_json:
        cli.print_json({"host": host.name, "releases": releases.to_json(found)})
    elif not found:
        print(f"{host.name}: no release yet; run: invoke deploy --host {host.name}")
    else:
        output = Console(highlight=False)
        output.print(_table(found))
        for each in found:
            if each.reason:
                output.print(f"{each.number}: {each.reason}", markup=False, soft_wrap=True)
    return 0


def rollback(requested: str, to: str, *, as_json: bool) -> int:
    """Put an earlier release back in force and wait until it has answered."""
    number = cli.positive("--to", to) if to else None
    host = cli.chosen_host(requested)
    host = replace(host, api_key=find("api-key", host.name))
    shown = TrialConsole(progress_console(), host.name, usual=Usual(host))
    with connected(host, cli.known_hosts()) as box:
        chosen = releases.target(releases.list_releases(box.session), number)

        def wanted(host: Host, facts: Facts) -> tuple[RolePlan, ...]:
            return (RolePlan("serve", serve.again(host, chosen.number, chosen.fingerprint)),)

        plan = bring_into_force(box, host, wanted, "rollback", shown)
        trial = shown.trial or shown.look(box.session, host.settings.serve.ready_timeout)
    error = None if trial.first.answered else trial.error(host.name)
    if as_json:
        told = {"host": host.name, "status": "changed" if plan.changes else "ok", **trial.to_json()}
        cli.print_json({**told, "status": "failed", "error": error.message} if error else told)
    if error is not None:
        cli.show_error(error.message, error.detail)
        return 1
    if not as_json:
        verb = "serves again" if plan.changes else "nothing to do: serves already"
        print(
            f"{host.name}: release {chosen.number} {verb}: {chosen.model}, {chosen.ctx:,} tokens "
            f"of context, answered after {trial.first.seconds or 0:.1f} s"
        )
    return 0


def _table(found: tuple[releases.ReleaseInfo, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("", "state", "at (UTC)"):
        table.add_column(name, no_wrap=True)
    table.add_column("model", overflow="fold")
    for name in ("ctx", "start"):
        table.add_column(name, no_wrap=True, justify="right")
    for name in ("vLLM", "by"):
        table.add_column(name, overflow="fold")
    for each in found:
        table.add_row(
            f"{'*' if each.current else ' '} {each.number}",
            f"[{STYLES.get(each.state, '')}]{each.state}[/]",
            each.at.replace("T", " ")[:16],
            each.model,
            f"{each.ctx:,}",
            "" if each.seconds is None else f"{each.seconds:.1f} s",
            each.vllm,
            _who(each.who),
        )
    return table


def _who(holder: str) -> str:
    """Return `user@computer` of "`invoke deploy` of user@computer (pid 1) since ..."."""
    return holder.partition(" of ")[2].partition(" (")[0]
