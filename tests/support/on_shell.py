"""Resources probed and repaired on this computer, through a real `sh`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from onecard.resources.base import Resource, State, diff
from onecard.ssh.prelude import PRELUDE
from onecard.ssh.probe_batch import Answer, compose, parse


def shell(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh"], input=f"{PRELUDE}\n{script}", capture_output=True, text=True, check=False
    )


def look(resource: Resource) -> State:
    return resource.understand(parse(shell(compose({"it": resource.probe()})).stdout, ["it"])["it"])


def differing(resource: Resource) -> set[str]:
    return set(diff(resource.desired(), look(resource)))


def sent(resource: Resource) -> list[Path | bytes]:
    """Return the commands and uploads that correct what differs."""
    actual = look(resource)
    uploads = resource.uploads(diff(resource.desired(), actual), actual)
    return [upload.payload for upload in uploads]


def apply(resource: Resource) -> str:
    """Correct what differs, verify it, and return what the commands printed."""
    actual = look(resource)
    for upload in resource.uploads(diff(resource.desired(), actual), actual):
        Path(upload.path).parent.mkdir(exist_ok=True)
        payload = upload.payload
        data = payload if isinstance(payload, bytes) else payload.read_bytes()
        Path(upload.path).write_bytes(data)
    script = resource.fix(diff(resource.desired(), actual), actual)
    done = shell(f"umask 022\n( set -e\n{script}\n) </dev/null")
    assert (done.returncode, done.stderr) == (0, "")
    assert differing(resource) == set()
    return done.stdout


def fix(resource: Resource, output: str, code: int = 0) -> list[str]:
    """Return the lines of the commands that correct what a probe's answer shows."""
    actual = resource.understand(Answer(output, code))
    return resource.fix(diff(resource.desired(), actual), actual).splitlines()
