"""Finds a host's lock: on the box, where another computer left it, or by resolving it there."""

from __future__ import annotations

import yaml

from onecard import layout
from onecard.errors import OnecardError
from onecard.facts import Facts
from onecard.host import Host
from onecard.locks import question
from onecard.locks.indexes import indexes
from onecard.locks.lock import Lock, asked
from onecard.locks.store import parse
from onecard.resources.environment import RECORD
from onecard.session import Session


def adopt(session: Session, host: Host) -> Lock | None:
    """Return the lock of the box's environment in force if it is what the settings ask for.

    So a second computer without the lock file goes on with what the first one installed.
    """
    found = session.run(f"cat {layout.VENV}/{RECORD} 2>/dev/null")
    if found.code != 0:
        return None
    try:
        lock = parse(yaml.safe_load(found.output) or {}, f"{layout.VENV}/{RECORD}", host.name)
    except (OnecardError, yaml.YAMLError):
        return None
    return lock if lock.asked == asked(host.settings) else None


def resolve(session: Session, host: Host, facts: Facts) -> Lock:
    """Return the newest build that the settings ask for and that suits the box.

    Changes nothing on the box but uv's cache. Raises PreflightError where no build fits, and
    CommandError where the indexes have none or are not reached.
    """
    build = question.matched(host, facts)
    version = commit = ""
    if build.index and not host.settings.wheelhouse:
        listed = session.run(question.page(host, build))
        version, commit = question.read_page(
            host, build, listed.output, listed.code, facts.kernel.arch or "x86_64"
        )
    wanted = question.question(host, facts, build, version, commit)
    answer = session.run(question.script(wanted, indexes(host)))
    return question.read_answer(host, facts, wanted, answer.output, answer.code)
