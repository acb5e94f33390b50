"""Bringing Ray on all boxes of a cluster to one environment, or away from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import roles
from onecard.box import paths
from onecard.console.host_console import HostConsole
from onecard.credentials.secret import Secret
from onecard.engine.converge import converge
from onecard.engine.host_plan import RolePlan
from onecard.engine.host_report import HostReport
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.inventory.serving_groups.cluster_group import ClusterGroup
from onecard.resources.base import fields
from onecard.ssh.login import Connected, holder
from roles import ray

Consoles = Callable[[Host], HostConsole]


def start_ray(
    group: ClusterGroup,
    boxes: Sequence[Connected],
    venv: str,
    consoles: Consoles,
    *,
    command: str,
    models: bool = False,
    check: bool = False,
) -> tuple[HostReport, ...]:
    """Bring Ray to the head, then to the workers, and wait until all are in its cluster.

    boxes: the head's first. venv: whose Ray. command: the task's name. models: with the model on
    the workers. Raises what `converge` raises.
    """
    head, *workers = boxes

    def on_head(host: Host, facts: Facts) -> tuple[RolePlan, ...]:
        return (ray.desired(group, host, facts, venv, None),)

    reports = [_converged(head, on_head, consoles, command, check=check)]
    token = fields(head.session.run(f"cat {paths.RAY_TOKEN} 2>/dev/null").output).get(ray.VARIABLE)

    def on_worker(host: Host, facts: Facts) -> tuple[RolePlan, ...]:
        model = roles.wanted(("model",), host, facts) if models else ()
        return (*model, ray.desired(group, host, facts, venv, Secret(token) if token else None))

    with ThreadPoolExecutor(len(workers)) as pool:
        reports += pool.map(
            lambda box: _converged(box, on_worker, consoles, command, check=check), workers
        )
    if not check:
        _converged(head, lambda host, facts: (ray.joined(group, venv),), consoles, command)
    return tuple(reports)


def remove_ray(boxes: Sequence[Connected], consoles: Consoles, *, command: str) -> None:
    """Take Ray away from all boxes."""
    for box in boxes:
        _converged(box, lambda host, facts: (RolePlan("ray", ray.absent()),), consoles, command)


def _converged(
    box: Connected,
    wanted: Callable[[Host, Facts], Sequence[RolePlan]],
    consoles: Consoles,
    command: str,
    *,
    check: bool = False,
) -> HostReport:
    report = HostReport(box.host.name)
    converge(
        box.session,
        box.host,
        wanted,
        listener=consoles(box.host),
        report=report,
        holder=holder(command),
        check=check,
    )
    return report
