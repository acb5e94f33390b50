"""The releases that a box keeps, as it tells of them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from onecard import layout
from onecard.errors import PreflightError
from onecard.resources.base import fields
from onecard.session import Session

_LIST = f"""
cd {layout.RELEASES} 2>/dev/null || exit 0
echo "current=$(readlink current)"
echo "installed=$(sed -n 's/^Environment=ONECARD_CONFIGURATION=//p' {layout.UNIT_FILE} 2>/dev/null)"
for number in $(ls | grep -E '^[0-9]+$' | sort -n); do
  echo "number=$number"
  for name in fingerprint holder vllm; do echo "$name=$(head -n 1 $number/$name)"; done
  cat $number/result
  echo "about=$(cat $number/about.json)"
done
"""


@dataclass(frozen=True)
class ReleaseInfo:
    """One release.

    state: `ready` (it has answered), `failed`, or `starting` (its deploy has not ended, or was
    broken off with the box). at: when the state was noted, UTC. who: who deployed it.
    seconds: to its first answer. reason: why it failed.
    """

    number: int
    fingerprint: str
    state: str
    at: str
    who: str
    vllm: str
    model: str
    revision: str
    ctx: int
    seconds: float | None
    reason: str
    current: bool
    installed: bool


def list_releases(session: Session) -> tuple[ReleaseInfo, ...]:
    """Return the box's releases, oldest first; one round trip."""
    head, *parts = ("\n" + session.run(_LIST).output).split("\nnumber=")
    about_box = fields(head)
    return tuple(_release("number=" + part, about_box) for part in parts)


def _release(text: str, about_box: dict[str, str]) -> ReleaseInfo:
    told = fields(text)
    about: dict[str, Any] = json.loads(told["about"])
    return ReleaseInfo(
        number=int(told["number"]),
        fingerprint=told["fingerprint"],
        state=told.get("state", "starting"),
        at=told.get("at", ""),
        who=told.get("holder", ""),
        vllm=told.get("vllm", ""),
        model=about["model"],
        revision=about["revision"],
        ctx=about["ctx"],
        seconds=float(told["seconds"]) if "seconds" in told else None,
        reason=told.get("reason", ""),
        current=told["number"] == about_box.get("current"),
        installed=told["fingerprint"] == about_box.get("installed"),
    )


def made_by(release: ReleaseInfo, command: str) -> bool:
    """Tell whether `invoke COMMAND` made a release (connect.holder)."""
    return release.who.startswith(f"`invoke {command}` ")


def to_json(releases: tuple[ReleaseInfo, ...]) -> list[dict[str, Any]]:
    """Return plain values for --json."""
    return [asdict(release) for release in releases]


def target(releases: tuple[ReleaseInfo, ...], number: int | None) -> ReleaseInfo:
    """Return the release to go back to: the one asked for, else the last good one before.

    After a failed deploy that was kept (`--no-rollback`) the last good one is the current one.
    Raises PreflightError when there is no such release, or it never answered.
    """
    good = [release for release in releases if release.state == "ready"]
    if number is not None:
        return _by_number(releases, good, number)
    current = next((release for release in releases if release.current), None)
    if current is not None and not current.installed:
        return current
    before = [r for r in good if current is None or r.number < current.number]
    if not before:
        raise PreflightError("there is no earlier release that has answered; see invoke releases")
    return before[-1]


def _by_number(
    releases: tuple[ReleaseInfo, ...], good: list[ReleaseInfo], number: int
) -> ReleaseInfo:
    for release in good:
        if release.number == number:
            return release
    known = any(release.number == number for release in releases)
    why = f"release {number} never answered" if known else f"there is no release {number}"
    names = ", ".join(str(release.number) for release in good) or "none"
    raise PreflightError(f"--to: {why}; those that have answered: {names}")
