"""The `ssh` program of this computer: which configuration it reads, and what it makes of it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from onecard.errors import UsageError

CONFIG_VARIABLE = "ONECARD_SSH_CONFIG"
_TIMEOUT_S = 60  # s; `Match exec` may run anything


def installed() -> bool:
    """Return whether an ssh program is found."""
    return shutil.which("ssh") is not None


def config_file() -> Path | None:
    """Return the configuration to read in place of ssh's own files, None for those.

    ssh finds its files by the account, everything else by HOME: where these differ, HOME counts.
    Raises UsageError where ONECARD_SSH_CONFIG names no file.
    """
    if named := os.environ.get(CONFIG_VARIABLE):
        path = Path(named).expanduser()
        if not path.is_file():
            raise UsageError(f"{CONFIG_VARIABLE}: {path} is not a file; name an ssh configuration")
        return path
    if account_home() == Path.home():
        return None
    own = Path.home() / ".ssh" / "config"
    return own if own.is_file() else Path(os.devnull)


def account_home() -> Path:
    """Return the home folder of the account, which HOME need not name."""
    return Path(pwd.getpwuid(os.getuid()).pw_dir)


def argv() -> list[str]:
    """Return the program, and the flag that names its configuration."""
    path = config_file()
    return ["ssh", *(["-F", str(path)] if path else [])]


def options(name: str, arguments: list[str], *, config: bool = True) -> dict[str, tuple[str, ...]]:
    """Return what `ssh -G` prints: each option by its name in lower case, a value for each line.

    name: the host, for messages. arguments: flags and the destination. config: read the
    configuration files; else ssh's defaults. Raises UsageError where ssh refuses them.
    """
    command = [*(argv() if config else ["ssh", "-F", "none"]), "-T", "-G", *arguments]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"{name}: `ssh -G` gave no answer within {_TIMEOUT_S} s; look at `Match exec` in the "
            "ssh configuration"
        ) from None
    if done.returncode != 0:
        first = next(iter(done.stderr.strip().splitlines()), f"exit code {done.returncode}")
        raise UsageError(f"{name}: ssh refuses its configuration: {first}; correct it")
    return _parsed(done.stdout)


def _parsed(text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key.lower(), []).append(value)
    return {key: tuple(values) for key, values in found.items()}


def at_home(path: str) -> Path:
    """Return a path of `ssh -G` as HOME has it: ssh expanded `~` by the account."""
    mine = f"{account_home()}/"
    if path.startswith(mine) and account_home() != Path.home():
        return Path.home() / path.removeprefix(mine)
    return Path(path).expanduser()


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what an ssh program is started with: messages in English."""
    return {**os.environ, "LC_ALL": "C", **(extra or {})}
