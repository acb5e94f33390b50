"""The box's service manager for scripts: the shell function `services` of services.sh."""

from __future__ import annotations

import shlex
from pathlib import Path

from onecard.box import paths

FILE = Path(__file__).with_name("services.sh")
SHELL = "".join(
    line for line in FILE.read_text("utf-8").splitlines(keepends=True) if line[:1] not in "#\n"
)
# SD_MESSAGE_UNIT_RESTART_SCHEDULED: https://systemd.io/CATALOG, catalog/systemd.catalog.in
RESTART_SCHEDULED = "5eb03494b6584870a536b337290809b3"
INSTALLED = f"{paths.PROGRAMS}/onecard/box/services.sh"


def program(verb: str, *words: str) -> tuple[str, ...]:
    """Return a command that calls a verb outside of onecard's own shells, as a hook does."""
    return ("sh", "-c", '. "$0"; services "$@"', INSTALLED, verb, *words)


def hook(verb: str, *words: str) -> str:
    """Return `program` as one line of shell."""
    return shlex.join(program(verb, *words))
