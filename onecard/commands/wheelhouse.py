"""`invoke wheelhouse`."""

from __future__ import annotations

import sys
from pathlib import Path

from onecard import cli
from onecard.connect import connected
from onecard.engine import gather
from onecard.errors import UsageError
from onecard.locks.resolve import adopt
from onecard.locks.store import refuse_other_settings, write
from onecard.locks.wheelhouse import fill, resolve_here
from onecard.places import inventory_folder


def wheelhouse(out: str, requested: str) -> int:
    """Fill a folder with a host's wheels; a host without a lock gets one, resolved here."""
    folder = Path(out).expanduser()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out: {folder} is no folder")
    host = cli.chosen_host(requested)
    refuse_other_settings(host, inventory_folder())
    with connected(host, cli.known_hosts()) as box:
        facts = gather(box.session, None)
        lock = host.lock or adopt(box.session, host)
    if lock is None:
        print(f"{host.name}: resolving here, for the box's Python and platform", file=sys.stderr)
        lock = resolve_here(host, facts)
        print(f"wrote {write(inventory_folder(), host.name, lock)}", file=sys.stderr)
    print(f"{host.name}: downloading {len(lock.packages) + 1} wheels", file=sys.stderr)
    wheels = fill(host, lock, facts, folder)
    size = sum(path.stat().st_size for path in wheels) / 2**30
    print(f"{folder}: {len(wheels)} wheels, {size:.2f} GiB, for {host.name}")
    print(f"next    set `wheelhouse: {out}` for {host.name}, then invoke provision")
    return 0
