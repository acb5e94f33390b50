"""`invoke wheelhouse`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from onecard import cli
from onecard.connect import connected
from onecard.engine import gather
from onecard.errors import UsageError
from onecard.locks.question import refuse_impossible
from onecard.locks.resolve import adopt
from onecard.locks.store import refuse_other_settings, write
from onecard.locks.wheelhouse import fill, resolve_here
from onecard.places import inventory_folder
from onecard.secret_store import find


def wheelhouse(out: str, requested: str, *, newest: bool) -> int:
    """Fill a folder with a host's wheels; a host without a lock gets one, resolved here.

    newest: the wheels that `invoke upgrade` will move the lock to, instead of the lock's.
    """
    folder = Path(out).expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out: {folder} is no folder")
    host = cli.chosen_host(requested)
    refuse_impossible(host)
    if not newest:
        refuse_other_settings(host, inventory_folder())
    host = replace(host, index_login=find("index-login", host.name))
    with connected(host, cli.known_hosts()) as box:
        facts = gather(box.session, None)
        known = host.lock or adopt(box.session, host)
    if newest or known is None:
        print(f"{host.name}: resolving here, for the box's Python and platform", file=sys.stderr)
    lock = resolve_here(host, facts) if newest or known is None else known
    if known is None:
        print(f"wrote {write(inventory_folder(), host.name, lock)}", file=sys.stderr)
    print(f"{host.name}: downloading {len(lock.packages) + 1} wheels", file=sys.stderr)
    wheels = fill(host, lock, facts, folder)
    size = sum(path.stat().st_size for path in wheels) / 2**30
    print(f"{folder}: {len(wheels)} wheels, {size:.2f} GiB, for {host.name}")
    then = "upgrade" if newest and known else "provision"
    print(f"next    set `wheelhouse: {folder}` for {host.name}, then invoke {then}")
    return 0
