"""`invoke facts`, `doctor` and `diagnose`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from onecard import __version__
from onecard import doctor as checks_of
from onecard.cli import targets
from onecard.cli.output import print_json
from onecard.cli.replayed import replayed
from onecard.cli.task import print_rows
from onecard.console.terminal import Terminal
from onecard.diagnosis import Diagnosis, advice
from onecard.diagnosis import diagnose as diagnose_text
from onecard.diagnosis.problem_report import problem_report
from onecard.diagnosis.reading.log_text import log_text
from onecard.doctor.examination import examine
from onecard.doctor.replay import on_the_box
from onecard.doctor.template_check import template_checks
from onecard.engine.converge import gather
from onecard.errors import UsageError
from onecard.facts import to_json
from onecard.records.bill_of_materials import read_bill_of_materials
from onecard.server.journal import diagnose_server
from onecard.server.problem_report import host_report
from onecard.ssh.login import connected

# Of a line that may state a cause, what is shown on the narrowest terminal.
_NARROWEST = 40


def facts(requested: str, *, as_json: bool) -> int:
    """Show what the box is."""
    host = targets.chosen_host(requested)
    with connected(host, targets.known_hosts()) as box:
        found = gather(box.session, None)
    if as_json:
        print_json(to_json(found))
    else:
        checks_of.print_facts(found, Terminal())
    return 0


def installed(requested: str) -> int:
    """Print what is installed on the box, as a CycloneDX document."""
    host = targets.chosen_host(requested)
    with connected(host, targets.known_hosts()) as box:
        print_json(read_bill_of_materials(box.session, host))
    return 0


def doctor(requested: str, *, facts: str, as_json: bool) -> int:
    """Show every check; return 1 when one is a blocker.

    facts: a file of facts to check, with no connection; empty for the host itself.
    """
    unknown: tuple[str, ...] | None = None
    if facts:
        replay, host = replayed(facts, requested)
        found, unknown = replay.facts, replay.unknown
        checks = (*replay.marked(checks_of.checkup(found, host.settings)), *on_the_box())
    else:
        with connected(targets.chosen_host(requested), targets.known_hosts()) as box:
            found, checks = examine(box)
    checks = (*checks, *template_checks())
    if as_json:
        replayed_keys = {} if unknown is None else {"unknown": list(unknown)}
        print_json(checks_of.to_json(found, checks) | replayed_keys)
    else:
        checks_of.print_checks(found, checks, Terminal())
    return 1 if checks_of.blockers(checks) else 0


def diagnose(log: str, requested: str, *, as_json: bool, report: str = "") -> int:
    """Name a log's first error; return 1 when there is one, or the server does not answer.

    report: file for a redacted report to attach to an issue; empty for none.
    """
    if log:
        text = _log_file(log)
        found = diagnose_text(text)
        written = problem_report(found, text, {"onecard": __version__}) if report else ""
    else:
        found, written = _of_server(requested, with_report=bool(report))
    if report:
        _write_report(report, written)
    if as_json:
        print_json(found.to_json())
    else:
        _show(found, requested)
        if found.failure and found.rule is None and not report:
            print("to report it: the same command with --report FILE", file=sys.stderr)
    return 1 if found.failure else 0


def _show(found: Diagnosis, host: str) -> None:
    """Print a diagnosis. host: as it was requested, so that the advice names it too."""
    if not found.line and not found.failure:
        print(found.cause)
        _show_candidates(found)
        return
    if len(found.candidates) > 1:
        _show_candidates(found)
    elif found.line:
        print(f"line {found.line_number}: {found.line.strip()}")
    if found.rule is None and found.context:
        print("around it:")
        print("\n".join(f"    {line}" for line in found.context))
    rows = [("cause", found.cause), *advice(found, host)]
    rows += [("rule", found.rule or ""), ("source", found.source)]
    print_rows([(title, text) for title, text in rows if text])


def _show_candidates(found: Diagnosis) -> None:
    """Print the lines that may state the cause, each cut at the terminal's width."""
    if not found.candidates:
        return
    unknown = found.failure and found.rule is None
    why = "no rule knows this error; the log's errors" if unknown else "lines that may say why"
    print(f"{why}, the likeliest first:")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for place, one in enumerate(found.candidates, start=1):
        at = f"  (line {one.line_number})"
        room = max(width - len(at) - len("  1  "), _NARROWEST)
        line = one.line if len(one.line) <= room else one.line[: room - 3] + "..."
        print(f"  {place}  {line}{at}")


def _write_report(report: str, text: str) -> None:
    try:
        Path(report).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--report: {report}: {error.strerror}") from error
    print(f"report: {report}; read it before you attach it to an issue", file=sys.stderr)


def _log_file(log: str) -> str:
    try:
        return log_text(sys.stdin.buffer.read() if log == "-" else Path(log).read_bytes())
    except OSError as error:
        raise UsageError(f"--log: {log}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--log: {log}: {error}") from error


def _of_server(requested: str, *, with_report: bool) -> tuple[Diagnosis, str]:
    host = targets.chosen_host(requested)
    with connected(host, targets.known_hosts()) as box:
        found = diagnose_server(box)
        return found, host_report(box, found) if with_report else ""
