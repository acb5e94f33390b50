"""`invoke releases` and `invoke rollback`."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from onecard.cli import flag_values, targets
from onecard.cli.output import print_json, show_error
from onecard.console.terminal import Terminal
from onecard.deploy.console import deploy_console
from onecard.deploy.rollback import roll_back
from onecard.server import releases
from onecard.ssh.login import connected

STYLES = {"ready": "green", "failed": "red", "starting": "yellow", "unreadable": "red"}


def list_releases(requested: str, *, as_json: bool) -> int:
    """Show every release of a host, the newest last."""
    host = targets.chosen_host(requested)
    with connected(host, targets.known_hosts()) as box:
        found = releases.list_releases(box.session)
    if as_json:
        print_json({"host": host.name, "releases": releases.to_json(found)})
    elif not found:
        print(f"{host.name}: no release yet; run: invoke deploy --host {host.name}")
    else:
        output = Terminal()
        output.print(_table(found))
        for each in found:
            if each.reason:
                output.print(f"{each.number}: {each.reason}", markup=False, soft_wrap=True)
    return 0


def rollback(requested: str, to: str, *, as_json: bool) -> int:
    """Restore an earlier release and wait until it has answered."""
    number = flag_values.positive("--to", to) if to else None
    host = targets.chosen_host(requested, "; add --rolling")
    console = deploy_console(host)
    done = roll_back(host, targets.known_hosts(), console, number)
    chosen, check = done.release, done.check
    error = check.error(host.name)
    if as_json:
        values = {
            "host": host.name,
            "status": "changed" if done.changed else "ok",
            **check.to_json(),
        }
        print_json({**values, "status": "failed", "error": error.message} if error else values)
    if error is not None:
        show_error(error.message, error.detail)
        return 1
    if not as_json:
        verb = "serves again" if done.changed else "nothing to do: serves already"
        print(
            f"{host.name}: release {chosen.number} {verb}: {chosen.model}, {chosen.ctx:,} tokens "
            f"of context, answered after {check.first.seconds or 0:.1f} s"
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
            Text(each.state, STYLES.get(each.state, "")),
            Text(each.at.replace("T", " ")[:16]),
            Text(each.model),
            f"{each.ctx:,}" if each.ctx else "",
            "" if each.seconds is None else f"{each.seconds:.1f} s",
            Text(each.vllm),
            Text(_who(each.who)),
        )
    return table


def _who(holder: str) -> str:
    """Return `user@computer` of "`invoke deploy` of user@computer (pid 1) since ..."."""
    return holder.partition(" of ")[2].partition(" (")[0]
