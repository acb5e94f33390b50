"""The report of a host's failure: its facts, lock, unit and journal, in one more round trip."""

from __future__ import annotations

import json
import time

import yaml

from onecard import __version__
from onecard.box.paths import UNIT
from onecard.diagnosis import Diagnosis
from onecard.diagnosis.problem_report import LOG_LINES, problem_report
from onecard.diagnosis.redaction import Known
from onecard.facts import PROBES, read_facts, to_json
from onecard.inventory.host import Host
from onecard.ssh.login import Connected
from onecard.ssh.probe_batch import compose, parse

_QUESTIONS = {
    "names": "hostname; hostname -f; hostname -s",
    "addresses": "hostname -I",
    "users": "ls /home; echo ${SUDO_USER:-}",
    "unit": f"systemctl cat --no-pager {UNIT}",
    "journal": f"journalctl --no-pager -q -o short-iso -n {LOG_LINES} -u {UNIT}",
}


def host_report(box: Connected, found: Diagnosis) -> str:
    """Return the redacted report of a diagnosed host, as Markdown. Raises ProbeError."""
    questions = {**PROBES, **_QUESTIONS}
    answers = parse(box.session.run(compose(questions)).output, questions)
    words = {name: answers[name].output.split() for name in ("names", "addresses", "users")}
    facts = json.dumps(to_json(read_facts(answers, time.time())), indent=1)
    lock = box.host.lock
    sections = {
        "onecard": __version__,
        "Facts": facts,
        "Lock": yaml.safe_dump(lock.model_dump(mode="json"), sort_keys=False) if lock else "",
        "Unit": answers["unit"].output,
    }
    return problem_report(found, answers["journal"].output, sections, _known(box.host, words))


def _known(host: Host, words: dict[str, list[str]]) -> Known:
    connection = host.connection
    return Known(
        hosts=(host.name, connection.address, *words["names"]),
        users=(connection.user, *words["users"]),
        addresses=tuple(words["addresses"]),
    )
