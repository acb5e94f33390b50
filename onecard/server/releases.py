"""The releases stored on a box, and the choice of one for a rollback."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass, replace
from typing import Any

from onecard.box import paths, unit_words
from onecard.errors import PreflightError, ProbeError
from onecard.json_text import parse_json
from onecard.resources.base import fields
from onecard.ssh.shell import Session

_LIST = f"""
cd {paths.RELEASES} 2>/dev/null || exit 0
printf 'current=%s\\n' "$(readlink current)"
printf 'unit=%s\\n' "$(services cat {paths.UNIT} | base64 -w0)"
for number in $(ls | grep -E '^[0-9]+$' | sort -n); do
  printf 'number=%s\\n' "$number"
  for name in fingerprint holder vllm result about.json; do
    printf '%s=%s\\n' "$name" "$(cat "$number/$name" 2>/dev/null | base64 -w0)"
  done
done
"""
UNREADABLE = "unreadable"


@dataclass(frozen=True)
class ReleaseInfo:
    """One release.

    state: `ready` (it has answered), `failed`, `starting` (its deploy has not ended, or was
    interrupted by a reboot), or `unreadable` (a file in its folder is missing or damaged: the
    fields from it are empty or 0). at: when the state was recorded, UTC. who: who deployed it.
    seconds: to its first answer. reason: of the failure, or what cannot be read.
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
    """Return the box's releases, oldest first; one round trip. Raises as read_releases does."""
    return read_releases(session.run(_LIST).output)


def current_release(session: Session) -> ReleaseInfo | None:
    """Return the release that answered last; None where none has. Raises as list_releases does."""
    return next((each for each in list_releases(session) if each.current), None)


def read_releases(output: str) -> tuple[ReleaseInfo, ...]:
    """Parse the script's output. Raises ProbeError for a garbled one."""
    head, *parts = f"\n{output}".split("\nnumber=")
    about_box = fields(head)
    current, installed = about_box.get("current", ""), _installed(about_box.get("unit", ""))
    try:
        return tuple(_release("number=" + part, current, installed) for part in parts)
    except (ValueError, KeyError) as error:
        raise ProbeError(f"garbled answer from the box about its releases: {error}") from error


def _installed(unit: str) -> str:
    """Return the fingerprint in the installed unit file (base64); empty without one."""
    try:
        return unit_words.variables(_decoded(unit)).get("ONECARD_CONFIGURATION", "")
    except ValueError:
        return ""


def _release(text: str, current: str, installed: str) -> ReleaseInfo:
    """Parse a release's files. current: number of the current one; installed: fingerprint."""
    values = fields(text)
    files = {name: _decoded(values.get(name, "")) for name in values if name != "number"}
    fingerprint = files["fingerprint"].strip()
    result = fields(files["result"])
    release = ReleaseInfo(
        number=int(values["number"]),
        fingerprint=fingerprint,
        state=result.get("state", "starting"),
        at=result.get("at", ""),
        who=files["holder"].partition("\n")[0],
        vllm=files["vllm"].partition("\n")[0],
        model="",
        revision="",
        ctx=0,
        seconds=None,
        reason=result.get("reason", ""),
        current=values["number"] == current,
        installed=bool(fingerprint) and fingerprint == installed,
    )
    try:
        return replace(
            release, seconds=_seconds(result), **_about(files["about.json"], fingerprint)
        )
    except ValueError as error:
        return replace(release, state=UNREADABLE, reason=f"cannot be read: {error}")


def _seconds(result: dict[str, str]) -> float | None:
    try:
        return float(result["seconds"]) if "seconds" in result else None
    except ValueError:
        raise ValueError(f"result: seconds is not a number: {result['seconds']!r}") from None


def _about(text: str, fingerprint: str) -> dict[str, Any]:
    """Parse about.json. Raises ValueError, which names the file, if it is damaged."""
    if not fingerprint:
        raise ValueError("fingerprint is missing or empty")
    try:
        about = parse_json(text)
    except ValueError:
        raise ValueError("about.json is missing or not JSON") from None
    for key, kind in (("model", str), ("revision", str), ("ctx", int)):
        if not isinstance(about, dict) or not isinstance(about.get(key), kind):
            raise ValueError(f"about.json lacks {key}, or its type is not {kind.__name__}")
    return {key: about[key] for key in ("model", "revision", "ctx")}


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode("utf-8", "replace")


def made_by(release: ReleaseInfo, command: str) -> bool:
    """Return whether `invoke COMMAND` made a release (ssh.login.holder)."""
    return release.who.startswith(f"`invoke {command}` ")


def to_json(releases: tuple[ReleaseInfo, ...]) -> list[dict[str, Any]]:
    """Return plain values for --json."""
    return [asdict(release) for release in releases]


def target(releases: tuple[ReleaseInfo, ...], number: int | None) -> ReleaseInfo:
    """Return the release for a rollback: the requested one, else the last good one before.

    After a failed deploy with `--no-rollback` the last good one is the current one.
    Raises PreflightError if there is no such release, or it never answered.
    """
    good = [release for release in releases if release.state == "ready"]
    if number is not None:
        return _by_number(releases, good, number)
    current = next((release for release in releases if release.current), None)
    if current in good and not current.installed:
        return current
    before = [r for r in good if current is None or r.number < current.number]
    if not before:
        raise PreflightError(
            "there is no earlier release that has answered; list them with invoke releases"
        )
    return before[-1]


def _by_number(
    releases: tuple[ReleaseInfo, ...], good: list[ReleaseInfo], number: int
) -> ReleaseInfo:
    for release in good:
        if release.number == number:
            return release
    known = next((release for release in releases if release.number == number), None)
    why = f"release {number} never answered" if known else f"there is no release {number}"
    if known is not None and known.state == UNREADABLE:
        why = f"release {number} {known.reason}"
    names = ", ".join(str(release.number) for release in good) or "none"
    raise PreflightError(f"--to: {why}; those that have answered: {names}")
