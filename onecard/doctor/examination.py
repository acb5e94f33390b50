"""Examine a box: facts, server and environment in one round trip, a running server in one more."""

from __future__ import annotations

import time

from onecard.checks.environment_files import files_check_script
from onecard.doctor import checkup
from onecard.doctor.caching_check import prefix_caching
from onecard.doctor.check import Check
from onecard.doctor.environment_check import environment
from onecard.doctor.server_check import server
from onecard.facts import PROBES, Facts, read_facts
from onecard.server.health import check_health
from onecard.server.start_journal import JOURNAL_WHEN_DOWN, journal_of_trouble
from onecard.server.state import STATE, read_state
from onecard.ssh.login import Connected
from onecard.ssh.probe_batch import compose, parse


def examine(box: Connected) -> tuple[Facts, tuple[Check, ...]]:
    """Return what the box is, and the result of every check."""
    host = box.host
    questions = {
        **PROBES,
        "server": STATE,
        "journal": JOURNAL_WHEN_DOWN,
        "files": files_check_script(host),
    }
    answers = parse(box.session.run(compose(questions)).output, questions)
    state = read_state(answers["server"].output)
    runs = state.loaded and not state.down
    trouble = check_health(box.session, state, host) if runs else None
    journal = answers["journal"].output if state.down else ""
    if trouble is not None and not trouble.starting:
        journal = box.session.run(journal_of_trouble(state)).output
    found = read_facts(answers, time.time())
    return found, (
        *checkup(found, host.settings),
        prefix_caching(host, state),
        environment(answers["files"].output),
        server(state.active if state.loaded else "", journal, trouble),
    )
