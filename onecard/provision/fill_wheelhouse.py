"""Fills a wheelhouse for a host: its lock, resolved here where it has none, and the wheels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from onecard.engine.converge import gather
from onecard.inventory.host import Host, with_index_login
from onecard.inventory.lock_files import owner, refuse_other_settings, write
from onecard.locks.cpu_build import refuse_impossible
from onecard.locks.resolve import adopt
from onecard.locks.wheelhouse import fill, resolve_here
from onecard.ssh.login import connected


@dataclass(frozen=True)
class Wheelhouse:
    """The wheels in a folder. for_upgrade: whether they are another build than the host's lock."""

    wheels: tuple[Path, ...]
    for_upgrade: bool

    @property
    def gib(self) -> float:
        """Return the wheels' size in GiB."""
        return sum(path.stat().st_size for path in self.wheels) / 2**30


def fill_wheelhouse(
    host: Host, known_hosts: Path, folder: Path, say: Callable[[str], None], *, newest: bool
) -> Wheelhouse:
    """Download a host's wheels to `folder`; a host without a lock gets one, resolved here.

    The lock file is written beside `known_hosts`. newest: the wheels that `invoke upgrade` will
    move the lock to, instead of the lock's. say: called with a line of progress. Raises UsageError
    for settings that no build fits, or that the lock was not made for.
    """
    refuse_impossible(host)
    inventory = known_hosts.parent
    if not newest:
        refuse_other_settings(host, inventory)
    host = with_index_login(host)
    with connected(host, known_hosts) as box:
        facts = gather(box.session, None)
        known = host.lock or adopt(box.session, host)
    lock = known
    if newest or lock is None:
        say(f"{host.name}: resolving here, for the box's Python and platform")
        lock = resolve_here(host, facts)
    if known is None:
        say(f"wrote {write(inventory, owner(host), lock)}")
    say(f"{host.name}: downloading {len(lock.packages) + 1} wheels")
    return Wheelhouse(fill(host, lock, facts, folder), for_upgrade=newest and known is not None)
