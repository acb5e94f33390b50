"""A host resolved where no ssh program is installed: Paramiko's parser, and what it cannot do."""

from __future__ import annotations

import getpass
import re
from pathlib import Path

import paramiko

from onecard.errors import UsageError
from onecard.ssh.openssh import client

# ssh_config(5): what ssh tries where no IdentityFile is configured.
DEFAULT_KEYS = tuple(f"~/.ssh/id_{kind}" for kind in ("rsa", "ecdsa", "ed25519"))
_DEFAULTS = {
    "port": ("22",),
    "identityfile": DEFAULT_KEYS,
    "userknownhostsfile": ("~/.ssh/known_hosts ~/.ssh/known_hosts2",),
    "globalknownhostsfile": ("/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2",),
    "stricthostkeychecking": ("ask",),
}
_BEYOND = re.compile(
    r"^\s*(include|tag|canonicali[sz]e\w*|match\b.*\b(?:exec|localnetwork|tagged|version|command)\b)",
    re.IGNORECASE,
)
_BLOCK = re.compile(r"^\s*(host|match)\b", re.IGNORECASE)


def options(
    name: str, alias: str, given: tuple[int | None, str, str], *, config: bool = True
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Return ssh's options for a host as Paramiko reads the files, and what it cannot read.

    given: port, user and jump hosts of the inventory, which win. config: read the files. Raises
    UsageError for files that cannot be parsed.
    """
    readable: list[str] = []
    notes: list[str] = []
    for path in _files() if config else []:
        try:
            text = path.read_text()
        except OSError:
            continue
        readable += ["Host *", *_readable(path, text, notes)]
    try:
        found = paramiko.SSHConfig.from_text("\n".join(readable)).lookup(alias)
    except (paramiko.SSHException, ValueError) as error:
        raise UsageError(f"{name}: ~/.ssh/config: {error}") from None
    read = {
        key: tuple(value) if isinstance(value, list) else (str(value),)
        for key, value in found.items()
        if value is not None
    }
    merged: dict[str, tuple[str, ...]] = {
        **_DEFAULTS,
        "user": (getpass.getuser(),),
        "hostname": (alias,),
        **read,
    }
    for key, value in zip(("port", "user", "proxyjump"), given, strict=True):
        if value:
            merged[key] = (str(value),)
    return merged, tuple(notes)


def _files() -> list[Path]:
    named = client.config_file()
    return [named] if named else [Path("~/.ssh/config").expanduser(), Path("/etc/ssh/ssh_config")]


def _readable(path: Path, text: str, notes: list[str]) -> list[str]:
    """Return the lines that Paramiko can read, without the blocks under a condition that it cannot.

    notes: gets a line for each that is left out.
    """
    found, skipped = [], False
    for number, line in enumerate(text.splitlines(), 1):
        beyond = _BEYOND.match(line)
        if beyond:
            notes.append(
                f"{path} line {number}: `{line.strip()}` needs the ssh program, and none is "
                "installed here"
            )
        if _BLOCK.match(line):
            skipped = bool(beyond)
        if not beyond and not skipped:
            found.append(line)
    return found
