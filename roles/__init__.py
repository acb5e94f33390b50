"""What a box should look like. One module a role: data, no SSH.

A role is a module with `desired(host, facts) -> tuple[Resource, ...]`. `provision` applies those
named in PROVISION, in this order; `deploy` applies those in DEPLOY.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from onecard.facts import Facts
from onecard.host import Host
from onecard.plan import RolePlan
from roles import driver

PROVISION = ("base", "driver", "python", "vllm", "model")
SYSTEM = ("base", "driver", "python")  # what a box needs before its lock can be resolved on it
DEPLOY = ("model", "serve")  # `deploy --model` may name one that is not there yet


def wanted(names: Sequence[str], host: Host, facts: Facts) -> tuple[RolePlan, ...]:
    """Return the plan of each named role for this host."""
    return tuple(
        RolePlan(name, import_module(f"roles.{name}").desired(host, facts)) for name in names
    )


def provision(host: Host, facts: Facts) -> tuple[RolePlan, ...]:
    """Return everything that `provision` wants on this host.

    What comes after a driver that has yet to be installed depends on it, and waits.
    """
    if not driver.pending(host, facts):
        return wanted(PROVISION, host, facts)
    known = PROVISION.index("driver") + 1
    later = (RolePlan(name, (), waits=True) for name in PROVISION[known:])
    return (*wanted(PROVISION[:known], host, facts), *later)


def system(host: Host, facts: Facts) -> tuple[RolePlan, ...]:
    """Return what `provision` wants on this host before it has a lock."""
    return wanted(SYSTEM, host, facts)


def deploy(host: Host, facts: Facts) -> tuple[RolePlan, ...]:
    """Return everything that `deploy` wants on this host."""
    return wanted(DEPLOY, host, facts)
