"""`invoke deploy`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rich.console import Console

from onecard import cli, memory_table
from onecard.connect import connected
from onecard.console import progress_console
from onecard.deployment import Deployment, deploy_host
from onecard.layout import API_KEY
from onecard.runs import recorded
from onecard.runs.reporter import NotedTrial, note_deployment
from onecard.secret_store import find
from roles.serve import command, served_name


def deploy(
    requested: str,
    flags: Mapping[str, tuple[str, object]],
    *,
    check: bool,
    diff: bool,
    force: bool,
    as_json: bool,
) -> int:
    """Start the server as configured and wait until it has answered."""
    host = cli.with_flags(cli.chosen_host(requested), {**flags, **_renamed(flags)})
    command(host)  # what the settings alone can be wrong in is told before a connection
    host = replace(host, api_key=find("api-key", host.name))
    shown = NotedTrial(progress_console(), host.name, diff="all" if diff else "changed")
    with (
        recorded("deploy", host, keep=not check) as shown.record,
        connected(host, cli.known_hosts()) as box,
    ):
        done = deploy_host(box, host, shown, check=check, force=force)
        note_deployment(shown.record, done)
    if as_json:
        cli.print_json(done.to_json())
    if done.error is not None:
        cli.show_error(done.error.message, done.error.detail)
        return 1
    if not as_json and not check:
        _tell(done)
    return 0


def _renamed(flags: Mapping[str, tuple[str, object]]) -> Mapping[str, tuple[str, object]]:
    """Return what --model implies: the inventory's name for another model is not this one's."""
    given = flags["--model"][1] is not None and flags["--served-name"][1] is None
    return {"--model (name)": ("model.name", "")} if given else {}


def _tell(done: Deployment) -> None:
    assert done.trial is not None
    host, start, output = done.host, done.trial.first, Console(highlight=False)
    serve = host.settings.serve
    verb = "ready" if done.restarted else "nothing to do: already serving"
    output.print(
        f"[green]{verb}[/]: {served_name(host)} on {host.name}, {serve.ctx:,} tokens of context, "
        f"release {start.release}, answered after {start.seconds or 0:.1f} s",
        soft_wrap=True,
    )
    memory_table.render(start.tracker.facts, start.memory, done.planned, done.now_known, output)
    output.print(
        f"API     http://{serve.address}:{serve.port}/v1 on the box, its key in {API_KEY} there\n"
        f"next    invoke smoke --host {host.name}",
        soft_wrap=True,
    )
