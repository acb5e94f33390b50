"""`invoke status`, `logs`, `start`, `stop`, `restart`."""

from __future__ import annotations

from onecard.cli import targets
from onecard.cli.output import print_json
from onecard.cli.task import print_rows
from onecard.deploy.console import deploy_console
from onecard.deploy.service_control import start_server, stop_server
from onecard.diagnosis import advice
from onecard.records.server_cost import server_cost
from onecard.records.write import plain
from onecard.server.journal import follow_journal
from onecard.server.status import server_status
from onecard.ssh.login import connected


def status(requested: str, *, as_json: bool) -> int:
    """Show the server's state; return 0 when it answers, 1 when it does not."""
    host = targets.chosen_host(requested)
    with connected(host, targets.known_hosts()) as box:
        found = server_status(box, metrics=host.settings.price_per_hour is not None)
    state, diagnosis = found.state, found.diagnosis
    shown: dict[str, object] = {
        "host": host.name,
        "status": "serving" if found.answers else state.active,
        "model": state.model,
        "ctx": state.ctx,
        "port": state.port,
        "vllm": found.version,
        "since": state.since,
        "restarts": state.restarts,
    }
    if found.trouble:
        shown["trouble"] = found.trouble
    cost = server_cost(host, found)
    if as_json:
        if cost:
            shown["cost"] = plain(cost)
        print_json({**shown, "diagnosis": diagnosis.to_json()} if diagnosis.failure else shown)
    else:
        if diagnosis.failure:
            shown |= {"line": diagnosis.line.strip(), **dict(advice(diagnosis, host.name))}
        elif found.fix:
            shown["fix"] = found.fix
        if cost:
            shown |= dict(cost.rows)
        print_rows(shown.items())
    return 0 if found.answers else 1


def logs(requested: str, *, follow: bool, lines: int) -> int:
    """Print the journal's last lines, and go on with `follow`."""
    host = targets.chosen_host(requested)
    with connected(host, targets.known_hosts()) as box:
        code = follow_journal(box, lambda line: print(line, flush=True), lines=lines, follow=follow)
    return 1 if code else 0


def stop(requested: str) -> int:
    """Stop the server."""
    host = targets.chosen_host(requested)
    with connected(host, targets.known_hosts()) as box:
        stop_server(box)
    print(f"{host.name}: stopped")
    return 0


def start(requested: str, *, restart: bool = False) -> int:
    """Start or restart the server, and wait until it answers."""
    host = targets.chosen_host(requested)
    console = deploy_console(host)
    with connected(host, targets.known_hosts()) as box:
        before, check = start_server(box, console, restart=restart)
    note = "nothing to do: already serving; " if check.first.already else ""
    print(f"{host.name}: {note}{before.model} answers after {check.first.seconds or 0:.1f} s")
    return 0
