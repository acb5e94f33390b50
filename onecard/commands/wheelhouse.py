"""`invoke wheelhouse`."""

from __future__ import annotations

import sys
from pathlib import Path

from onecard.cli import targets
from onecard.errors import UsageError
from onecard.provision.fill_wheelhouse import fill_wheelhouse


def wheelhouse(out: str, requested: str, *, newest: bool) -> int:
    """Fill a folder with a host's wheels; a host without a lock gets one, resolved here.

    newest: the wheels that `invoke upgrade` will move the lock to, instead of the lock's.
    """
    folder = Path(out).expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out: {folder} is not a folder")
    host = targets.chosen_host(requested)
    done = fill_wheelhouse(host, targets.known_hosts(), folder, _say, newest=newest)
    print(f"{folder}: {len(done.wheels)} wheels, {done.gib:.2f} GiB, for {host.name}")
    then = "upgrade" if done.for_upgrade else "provision"
    print(f"next    set `wheelhouse: {folder}` for {host.name}, then invoke {then}")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)
