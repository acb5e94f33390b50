"""`invoke status`, `logs`, `start`, `stop`, `restart`."""

from __future__ import annotations

from rich.console import Console

from onecard import cli
from onecard.connect import connected, holder
from onecard.console import progress_console
from onecard.diagnosis import NO_ERROR, advice, diagnose
from onecard.errors import CommandError, UnhealthyError
from onecard.layout import UNIT
from onecard.runs.usual import Usual
from onecard.server import client, journal_of, service_state
from onecard.session import Request
from onecard.trial_console import TrialConsole


def status(requested: str, *, as_json: bool) -> int:
    """Show the server's state; return 0 when it answers, 1 when it does not."""
    host = cli.chosen_host(requested)
    with connected(host, cli.known_hosts()) as box:
        state = service_state(box.session)
        version, trouble, found = "", "", NO_ERROR
        try:
            with client(box, state, timeout_s=30.0) as api:
                api.health()
                version = api.version()
        except UnhealthyError as error:
            trouble = error.message
        if trouble and state.loaded:
            found = diagnose(box.session.run(journal_of(state)).output)
            trouble = found.cause if found.failure else trouble
    answers = not trouble
    shown = {
        "host": host.name,
        "status": "serving" if answers else state.active,
        "model": state.model,
        "ctx": state.ctx,
        "port": state.port,
        "vllm": version,
        "since": state.since,
        "restarts": state.restarts,
    }
    if trouble:
        shown["trouble"] = trouble
    if as_json:
        cli.print_json({**shown, "diagnosis": found.to_json()} if found.failure else shown)
    else:
        if found.failure:
            shown |= {"line": found.line.strip(), **dict(advice(found, host.name))}
        output = Console(highlight=False)
        for key, value in shown.items():
            output.print(f"{key:<10}{value}", markup=False, soft_wrap=True)
    return 0 if answers else 1


def logs(requested: str, *, follow: bool, lines: int) -> int:
    """Print the journal's last lines, and go on with `follow`."""
    host = cli.chosen_host(requested)
    with connected(host, cli.known_hosts()) as box:
        more = "-f" if follow else "--no-pager"
        command = f"journalctl -u {UNIT} -n {lines} -o short-iso {more}"
        # A quiet server is no lost connection: nothing limits how long a follower waits.
        forever = 10.0**9
        result = box.another_session(idle_timeout=forever).run(
            command, on_line=lambda line: print(line, flush=True), timeout=forever
        )
    return 1 if result.code else 0


def control(requested: str, verb: str) -> int:
    """Start, stop or restart the server; the first and last wait for an answer."""
    host = cli.chosen_host(requested)
    with connected(host, cli.known_hosts()) as box:
        state = service_state(box.session)
        if not state.loaded:
            raise UnhealthyError(f"{host.name}: no server is deployed here; run: invoke deploy")
        commands = f"systemctl reset-failed {UNIT} 2>/dev/null; systemctl {verb} {UNIT}"
        done = box.session.ask([Request("lock", holder(verb).encode()), Request.run(commands)])[-1]
        if done.code != 0:
            raise CommandError(f"{host.name}: systemctl {verb} failed", done.output)
        if verb == "stop":
            after = service_state(box.session)
            if after.active not in ("inactive", "failed"):
                raise CommandError(f"{host.name}: the server is still {after.active}")
            print(f"{host.name}: stopped")
            return 0
        shown = TrialConsole(progress_console(), host.name, usual=Usual(host))
        trial = shown.look(box.session, host.settings.serve.ready_timeout, starts=True)
        if not trial.first.answered:
            # systemd would go on trying; a server that is known not to start is left stopped.
            box.session.run(f"systemctl stop {UNIT}; systemctl reset-failed {UNIT}")
            trial.stopped = True
            raise trial.error(host.name)
    print(f"{host.name}: {state.model} answers after {trial.first.seconds or 0:.1f} s")
    return 0
