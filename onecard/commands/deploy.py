"""`invoke deploy`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rich.console import Console

import roles
from onecard import cli
from onecard.connect import Connected, connected, holder
from onecard.console import progress_console
from onecard.engine import Roles, converge
from onecard.errors import CommandError, PreflightError, UnhealthyError
from onecard.host import Host
from onecard.layout import API_KEY, VENV
from onecard.phases import memory_lines
from onecard.plan import Plan
from onecard.report import HostReport
from onecard.secret_store import find
from onecard.trial import Trial
from onecard.trial_console import TrialConsole
from roles.serve import served_name


def deploy(
    requested: str,
    flags: Mapping[str, tuple[str, object]],
    *,
    check: bool,
    diff: bool,
    as_json: bool,
) -> int:
    """Start the server as configured and wait until it has answered."""
    host = cli.with_flags(cli.chosen_host(requested), {**flags, **_renamed(flags)})
    host = replace(host, api_key=find("api-key", host.name))
    shown = TrialConsole(progress_console(), host.name, diff="all" if diff else "changed")
    with connected(host, cli.known_hosts()) as box:
        _require_provisioned(box)
        plan = bring_into_force(box, roles.deploy, "deploy", shown, check=check)
        if not check and shown.trial is None:
            shown.look(box.session, host.settings.serve.ready_timeout)
    return finish(host, plan, shown.trial, as_json=as_json)


def bring_into_force(
    box: Connected, wanted: Roles, command: str, shown: TrialConsole, *, check: bool = False
) -> Plan:
    """Converge a box to roles that end in a trial; a failed trial is left to `finish`."""
    plan: Plan | None = None

    def note(planned: Plan) -> None:
        nonlocal plan
        plan = planned

    shown.on_plan = note
    try:
        return converge(
            box.session,
            box.host,
            wanted,
            reporter=shown,
            report=HostReport(box.host.name),
            holder=holder(command),
            check=check,
        )
    except CommandError:
        if plan is None or shown.trial is None or not shown.trial.first.reason:
            raise
        return plan
    except KeyboardInterrupt:
        if shown.trial is not None:
            shown.say("the box goes on with this start by itself, and goes back if it fails")
        raise


def _renamed(flags: Mapping[str, tuple[str, object]]) -> Mapping[str, tuple[str, object]]:
    """Return what --model implies: the inventory's name for another model is not this one's."""
    given = flags["--model"][1] is not None and flags["--served-name"][1] is None
    return {"--model (name)": ("model.name", "")} if given else {}


def _require_provisioned(box: Connected) -> None:
    if box.session.run(f"test -x {VENV}/bin/vllm").code != 0:
        raise PreflightError(
            f"{box.host.name}: vLLM is not installed here yet; run: invoke provision "
            f"--host {box.host.name}"
        )


def finish(host: Host, plan: Plan, trial: Trial | None, *, as_json: bool) -> int:
    """Tell how it went; return the exit code."""
    failed = trial is not None and not trial.first.answered
    error = trial.error(host.name) if trial is not None and failed else None
    if as_json:
        cli.print_json(_json(host, plan, trial, error))
    if error is not None:
        cli.show_error(error.message, error.detail)
        return 1
    if trial is not None and not as_json:
        _tell(host, plan, trial)
    return 0


def _json(
    host: Host, plan: Plan, trial: Trial | None, error: UnhealthyError | None
) -> dict[str, object]:
    status = "failed" if error else "changed" if plan.changes else "ok"
    return {
        "host": host.name,
        "status": status,
        "ctx": host.settings.serve.ctx,
        "model": served_name(host),
        "unit_changed": _restarted(plan),
        "ready_s": None,
        "release": None,
        **(trial.to_json() if trial else {}),
        **({"error": error.message} if error else {}),
    }


def _restarted(plan: Plan) -> bool:
    return any(item.role == "serve" for item in plan.changes)


def _tell(host: Host, plan: Plan, trial: Trial) -> None:
    serve, output = host.settings.serve, Console(highlight=False)
    verb = "ready" if _restarted(plan) else "nothing to do: already serving"
    start = trial.first
    output.print(
        f"[green]{verb}[/]: {served_name(host)} on {host.name}, {serve.ctx:,} tokens of context, "
        f"release {start.release}, answered after {start.seconds or 0:.1f} s",
        soft_wrap=True,
    )
    if facts := memory_lines(start.tracker):
        output.print("memory  " + ", ".join(facts))
    output.print(
        f"API     http://{serve.address}:{serve.port}/v1 on the box, its key in {API_KEY} there\n"
        f"next    invoke smoke --host {host.name}",
        soft_wrap=True,
    )
