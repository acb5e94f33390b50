"""Find a host's lock: on the box, written by another computer, or by resolving it there."""

from __future__ import annotations

import yaml

from onecard.box import paths
from onecard.errors import OnecardError
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.inventory.lock import Lock, build_request
from onecard.inventory.lock_files import parse
from onecard.locks import resolve_request
from onecard.locks.indexes import indexes
from onecard.resources.python.environment import RECORD
from onecard.ssh.shell import Session


def adopt(session: Session, host: Host) -> Lock | None:
    """Return the lock of the box's current environment if it is what the settings request.

    A second computer without the lock file continues with what the first one installed.
    """
    found = session.run(f"cat {paths.VENV}/{RECORD} 2>/dev/null")
    if found.code != 0:
        return None
    try:
        lock = parse(yaml.safe_load(found.output) or {}, f"{paths.VENV}/{RECORD}", host.name)
    except (OnecardError, yaml.YAMLError):
        return None
    return lock if lock.asked == build_request(host.settings) else None


def resolve(session: Session, host: Host, facts: Facts) -> Lock:
    """Return the newest build that the settings request and the box can run.

    Changes nothing on the box except uv's cache. Raises PreflightError where no build fits, and
    CommandError where the indexes have none or cannot be reached.
    """
    build = resolve_request.matched(host, facts)
    version = commit = ""
    if build.index and not host.settings.wheelhouse:
        listed = session.run(resolve_request.page(host, build))
        version, commit = resolve_request.parse_page(
            host, build, listed.output, listed.code, facts.kernel.arch or "x86_64"
        )
    request = resolve_request.resolve_request(host, facts, build, version, commit)
    answer = session.run(resolve_request.script(request, indexes(host)))
    return resolve_request.parse_lock(host, facts, request, answer.output, answer.code)
