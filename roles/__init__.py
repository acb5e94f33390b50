"""The desired state of a box. One module for each role: data, no SSH.

A role is a module with `desired(host, facts) -> tuple[Resource, ...]`. `provision` applies those
of the setting `roles`, in its order, and `monitoring` where that is set; `deploy` applies those in
DEPLOY. A file in roles/ of the user's folder is a role too, in place of the built-in one of its
name (own_role.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a package that is loaded to check the settings; the rest, while a box works
    from onecard.engine.host_plan import RolePlan
    from onecard.facts import Facts
    from onecard.inventory.host import Host

DEPLOY = ("model", "serve")  # `deploy --model` may name a model that is not downloaded yet


def wanted(names: Sequence[str], host: Host, facts: Facts) -> tuple[RolePlan, ...]:
    """Return the desired state of each named role for this host."""
    from onecard.engine.host_plan import RolePlan
    from roles import own_role

    return tuple(RolePlan(name, own_role.desired(name, host, facts)) for name in names)


def provision(host: Host, facts: Facts) -> tuple[RolePlan, ...]:
    """Return everything that `provision` wants on this host.

    Roles after a driver that is not installed yet depend on it, and wait.
    """
    from roles import driver

    names = host.settings.roles
    if host.settings.monitoring is not None:
        names = (*names, "monitoring")
    known = names.index("driver") + 1 if driver.pending(host, facts) else len(names)
    return _after_links(names, known, host, facts)


def system(host: Host, facts: Facts) -> tuple[RolePlan, ...]:
    """Return what `provision` wants on this host before it has a lock.

    It is resolved on the box, with its Python.
    """
    listed = host.settings.roles
    names = listed[: listed.index("python") + 1]
    return _after_links(names, len(names), host, facts)


def _after_links(
    names: Sequence[str], known: int, host: Host, facts: Facts
) -> tuple[RolePlan, ...]:
    """Return what the first `known` roles want; the others wait.

    All wait for the links to a volume, which base makes: uploads would lie beside it.
    """
    from onecard.engine.host_plan import RolePlan
    from onecard.facts import places

    if places.pending(host.settings.root, facts):
        known = names.index("base") + 1
    later = (RolePlan(name, (), waits=True) for name in names[known:])
    return (*wanted(names[:known], host, facts), *later)


def deploy(host: Host, facts: Facts) -> tuple[RolePlan, ...]:
    """Return everything that `deploy` wants on a host that onecard.fit.on_host.settle returned."""
    return wanted(DEPLOY, host, facts)
