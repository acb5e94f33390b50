"""`invoke deploy`."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from rich.console import Console

import roles
from onecard import cli
from onecard.connect import Connected, connected, holder
from onecard.console import HostConsole, progress_console
from onecard.engine import converge
from onecard.errors import PreflightError, UnhealthyError
from onecard.host import Host
from onecard.layout import API_KEY, UNIT, VENV
from onecard.phases import PhaseConsole, memory_lines
from onecard.plan import Plan
from onecard.questions import questions
from onecard.ready import Ready, wait_until_ready
from onecard.report import HostReport
from onecard.runs import Record, recorded
from onecard.runs.reporter import Noting
from onecard.runs.start import StartLog
from roles.serve import served_name


def deploy(
    requested: str,
    flags: Mapping[str, tuple[str, str | None]],
    *,
    check: bool,
    diff: bool,
    as_json: bool,
) -> int:
    """Start the server as configured and wait until it has answered. Raises UnhealthyError."""
    host = cli.with_flags(cli.chosen_host(requested), {**flags, **_renamed(flags)})
    console = progress_console()
    report = HostReport(host.name)
    with (
        recorded("deploy", host, keep=not check, report=report) as record,
        connected(host, cli.known_hosts()) as box,
    ):
        _require_provisioned(box)
        plan = converge(
            box.session,
            host,
            roles.deploy,
            reporter=Noting(
                record,
                HostConsole(console, host.name, show_plan=True, diff="all" if diff else "changed"),
            ),
            report=report,
            holder=holder("deploy"),
            check=check,
        )
        name = served_name(host)
        ready = None if check else wait_for_answer(box, host, console, name, record)
    _tell(host, plan, ready, as_json=as_json)
    return 0


def _renamed(
    flags: Mapping[str, tuple[str, str | None]],
) -> Mapping[str, tuple[str, str | None]]:
    """Return what --model implies: the inventory's name for another model is not this one's."""
    given = flags["--model"][1] is not None
    return {"--model (name)": ("model.name", "")} if given else {}


def wait_for_answer(
    box: Connected,
    host: Host,
    console: Console,
    question_model: str,
    record: Record | None = None,
) -> Ready:
    """Follow a start to its first answer, showing the phases; stop the server if it fails.

    record: where to note the start.
    """
    shown = PhaseConsole(console, host.name)
    ctx = host.settings.serve.ctx
    try:
        with StartLog(record or Record(None), ctx, shown.event) as start:
            return start.answered(
                wait_until_ready(
                    box,
                    questions(question_model).cases[0],
                    deadline_s=host.settings.serve.ready_timeout,
                    on_event=start.event,
                )
            )
    except UnhealthyError:
        # systemd would go on trying; a server that is known not to start is left stopped.
        box.session.run(f"systemctl stop {UNIT}; systemctl reset-failed {UNIT}")
        print(f"{host.name}: the server is stopped; its journal: invoke logs", file=sys.stderr)
        raise
    finally:
        shown.close()


def _require_provisioned(box: Connected) -> None:
    if box.session.run(f"test -x {VENV}/bin/vllm").code != 0:
        raise PreflightError(
            f"{box.host.name}: vLLM is not installed here yet; run: invoke provision "
            f"--host {box.host.name}"
        )


def _tell(host: Host, plan: Plan, ready: Ready | None, *, as_json: bool) -> None:
    serve = host.settings.serve
    changed = any(item.role == "serve" for item in plan.changes)
    if as_json:
        cli.print_json(
            {
                "host": host.name,
                "status": "changed" if plan.changes else "ok",
                "ctx": serve.ctx,
                "model": served_name(host),
                "ready_s": round(ready.seconds, 2) if ready else None,
                "unit_changed": changed,
            }
        )
        return
    if ready is None:
        return
    output = Console(highlight=False)
    verb = "ready" if changed else "nothing to do: already serving"
    output.print(
        f"[green]{verb}[/]: {served_name(host)} on {host.name}, {serve.ctx:,} tokens of context, "
        f"answered after {ready.seconds:.1f} s",
        soft_wrap=True,
    )
    if facts := memory_lines(ready.tracker):
        output.print("memory  " + ", ".join(facts))
    output.print(
        f"API     http://{serve.address}:{serve.port}/v1 on the box, its key in {API_KEY} there\n"
        f"next    invoke smoke --host {host.name}",
        soft_wrap=True,
    )
