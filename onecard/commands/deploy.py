"""`invoke deploy`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.markup import escape

from onecard.api.address import in_url
from onecard.box.paths import API_KEY
from onecard.cli import flag_values, targets
from onecard.cli.output import print_json, show_error
from onecard.commands.deploy_flags import words
from onecard.console.host_console import progress_console
from onecard.console.terminal import Terminal
from onecard.deploy import memory_table, start_table
from onecard.deploy.console import deploy_console
from onecard.deploy.deployment import Deployment, deploy_host
from onecard.deploy.deployment_record import note_deployment
from onecard.errors import UsageError
from onecard.fit.scoreboard.contribution import append, contribution
from onecard.inventory.host import Host, with_api_key
from onecard.inventory.serving_groups.cluster_group import refuse_member
from onecard.records import recorded
from onecard.records.record_listener import RecordListener
from onecard.served_model import served_name
from onecard.server.prefix_caching import OFF, remedy
from onecard.ssh.login import connected
from roles.serve import command


def deploy(
    requested: str,
    flags: Mapping[str, tuple[str, object]],
    *,
    check: bool,
    diff: bool,
    force: bool,
    as_json: bool,
    contribute: str = "",
) -> int:
    """Start the server as configured and wait until it has answered.

    contribute: a scoreboard file, to which the start's memory is appended; empty for none.
    """
    host = prepared(targets.chosen_host(requested, "; add --rolling"), flags)
    done = deployed(host, flags, check=check, diff=diff, force=force)
    if as_json:
        print_json(done.to_json())
    if done.error is not None:
        show_error(done.error.message, done.error.detail)
        return 1
    if contribute and done.check is not None:
        append_start(Path(contribute), done)
    if not as_json and not check:
        print_deployment(done)
    return 0


def prepared(host: Host, flags: Mapping[str, tuple[str, object]]) -> Host:
    """Return a host that is deployed alone, with the flags' settings and its key.

    Raises UsageError.
    """
    refuse_member(host)
    return with_settings(host, flags)


def with_settings(host: Host, flags: Mapping[str, tuple[str, object]]) -> Host:
    """Return the host with the flags' settings and its key. Raises UsageError."""
    host = flag_values.with_flags(host, {**flags, **_renamed(flags)})
    command(host)  # refuses a wrong setting before any connection
    return with_api_key(host)


def deployed(
    host: Host,
    flags: Mapping[str, tuple[str, object]],
    *,
    check: bool,
    diff: bool,
    force: bool,
    live: bool = True,
) -> Deployment:
    """Deploy a prepared host, and record it. live: whether a terminal may show a live line."""
    console = deploy_console(host, progress_console(live=live), diff="all" if diff else "changed")
    with (
        recorded("deploy", host, keep=not check) as record,
        connected(host, targets.known_hosts()) as box,
    ):
        done = deploy_host(
            box,
            host,
            console,
            listeners=[RecordListener(record)],
            given=words(flags),
            check=check,
            force=force,
        )
        note_deployment(record, done)
    return done


def append_start(file: Path, done: Deployment) -> None:
    """Append a deploy's memory table to a scoreboard file, if the model is modelled."""
    if done.planned is None or done.check is None:
        raise UsageError("--contribute: this model or card is not modelled")
    facts = done.check.first.tracker.facts
    append(file, contribution(done.planned, done.host.settings.serve, facts))


def _renamed(flags: Mapping[str, tuple[str, object]]) -> Mapping[str, tuple[str, object]]:
    """Return what --model implies: the inventory's name for another model is not this one's."""
    given = flags["--model"][1] is not None and flags["--served-name"][1] is None
    return {"--model (name)": ("model.name", "")} if given else {}


def print_deployment(done: Deployment) -> None:
    """Print what serves now, its start and its memory."""
    assert done.check is not None
    host, start, output = done.host, done.check.first, Terminal()
    serve = host.settings.serve
    what = escape(f"{served_name(host)} on {host.name}")
    verb = "ready" if done.restarted else "nothing to do: already serving"
    output.print(
        f"[green]{verb}[/]: {what}, {serve.ctx:,} tokens of context, "
        f"release {start.release}, answered after {start.seconds or 0:.1f} s",
        soft_wrap=True,
    )
    if not start.already:
        start_table.print_start(start, output)
    memory_table.print_memory(
        start.tracker.facts, start.memory, done.planned, done.now_known, output
    )
    if serve.enable_prefix_caching is None and start.tracker.facts.prefix_caching is False:
        output.print(f"[yellow]{OFF}[/]; {remedy(host.name)}", soft_wrap=True)
    output.print(
        f"API     http://{in_url(serve.address)}:{serve.port}/v1 on the box, its key in {API_KEY} "
        "there\n"
        f"next    invoke smoke --host {host.name}",
        soft_wrap=True,
    )
