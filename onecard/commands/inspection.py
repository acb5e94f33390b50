"""`invoke facts`, `doctor` and `diagnose`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich.console import Console

from onecard import cli
from onecard import doctor as checks_of
from onecard.connect import connected
from onecard.diagnosis import Diagnosis, advice
from onecard.diagnosis import diagnose as diagnose_text
from onecard.diagnosis.reading import log_text
from onecard.doctor.server_check import server
from onecard.engine import gather
from onecard.errors import UnhealthyError, UsageError
from onecard.facts import PROBES, read_facts, to_json
from onecard.layout import UNIT
from onecard.script import compose, parse
from onecard.server import JOURNAL_WHEN_DOWN, STATE, read_state


def facts(requested: str, *, as_json: bool) -> int:
    """Show what the box is."""
    host = cli.chosen_host(requested)
    with connected(host, cli.known_hosts()) as box:
        found = gather(box.session, None)
    if as_json:
        cli.print_json(to_json(found))
    else:
        checks_of.render_facts(found, Console(highlight=False))
    return 0


def doctor(requested: str, *, as_json: bool) -> int:
    """Show every check; return 1 when one is a blocker."""
    host = cli.chosen_host(requested)
    questions = {**PROBES, "server": STATE, "journal": JOURNAL_WHEN_DOWN}
    with connected(host, cli.known_hosts()) as box:
        answers = parse(box.session.run(compose(questions)).output, questions)
    found = read_facts(answers, time.time())
    state = read_state(answers["server"].output)
    active = state.active if state.loaded else ""
    checks = (
        *checks_of.checkup(found, host.settings),
        server(active, answers["journal"].output if state.down else ""),
    )
    if as_json:
        cli.print_json(checks_of.to_json(found, checks))
    else:
        checks_of.render_checks(found, checks, Console(highlight=False))
    return 1 if checks_of.blockers(checks) else 0


def diagnose(log: str, requested: str, *, as_json: bool) -> int:
    """Name a log's first true error; return 1 when there is one."""
    found = diagnose_text(_log_file(log) if log else _journal(requested))
    if as_json:
        cli.print_json(found.to_json())
    else:
        _show(found, requested)
    return 1 if found.failure else 0


def _show(found: Diagnosis, host: str) -> None:
    """Print a diagnosis. host: as it was asked for, so that the advice asks for it too."""
    if not found.line:
        print(found.cause)
        return
    print(f"line {found.line_number}: {found.line.strip()}")
    if found.rule is None:
        print("no rule knows this error; where it stands:")
        print("\n".join(f"    {line}" for line in found.context))
    rows = [("cause", found.cause), *advice(found, host)]
    rows += [("rule", found.rule or ""), ("source", found.source)]
    print("\n".join(f"{title:<12}{text}" for title, text in rows if text))


def _log_file(log: str) -> str:
    try:
        return log_text(sys.stdin.buffer.read() if log == "-" else Path(log).read_bytes())
    except OSError as error:
        raise UsageError(f"--log: {log}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--log: {log}: {error}") from error


def _journal(requested: str) -> str:
    host = cli.chosen_host(requested)
    with connected(host, cli.known_hosts()) as box:
        told = box.session.run(f"journalctl --no-pager -q -o short-iso -n 5000 -u {UNIT}").output
    if not told.strip():
        raise UnhealthyError(
            f"{host.name}: the journal holds nothing of {UNIT}; run: "
            f"invoke deploy --host {host.name}"
        )
    return told
