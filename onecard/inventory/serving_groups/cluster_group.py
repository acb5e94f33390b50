"""The boxes that serve one model together, and the one among them that carries the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onecard.errors import UsageError
from onecard.inventory.host import Host


@dataclass(frozen=True)
class ClusterGroup:
    """name: of the group. head: carries the server and Ray's head. workers: the other boxes."""

    name: str
    head: Host
    workers: tuple[Host, ...]

    @property
    def members(self) -> tuple[Host, ...]:
        """Return every box, the head first."""
        return (self.head, *self.workers)

    @property
    def addresses(self) -> dict[str, str]:
        """Return each box's address on the network between the boxes -> its name."""
        return {host.settings.cluster.address: host.name for host in self.members}


def cluster_group(name: str, hosts: Sequence[Host]) -> ClusterGroup:
    """Return the cluster of a group's hosts.

    Raises UsageError for a group without a head in it, boxes whose settings of the cluster, build
    or model differ, a missing or double address, and a number of stages that is not the boxes'.
    """
    first = hosts[0]
    wanted = first.settings.cluster
    if not wanted.head:
        raise UsageError(
            f"{name}: no cluster; set cluster.head to the box of it that carries the server, for "
            f"the group (inventory/group_vars/{name}.yml)"
        )
    for host in hosts[1:]:
        if (what := _different(first, host)) is not None:
            raise UsageError(
                f"{name}: {first.name} and {host.name} have different settings of {what}; set it "
                f"once, for their group (inventory/group_vars/{name}.yml)"
            )
    heads = [host for host in hosts if host.name == wanted.head]
    if not heads:
        names = ", ".join(host.name for host in hosts)
        raise UsageError(f"cluster.head: {wanted.head} is not in the group {name} ({names})")
    if len(hosts) == 1:
        raise UsageError(f"{name}: a cluster needs two boxes or more, and the group has one")
    group = ClusterGroup(name, heads[0], tuple(each for each in hosts if each is not heads[0]))
    for host in hosts:
        if not host.settings.cluster.address:
            raise UsageError(
                f"{host.name}: cluster.address is not set: the box's IP address on the network "
                "between the boxes"
            )
    if len(group.addresses) != len(hosts):
        raise UsageError(f"{name}: two boxes have one cluster.address; each needs its own")
    return group


def require_stages(group: ClusterGroup) -> None:
    """Raise UsageError unless the model has as many pipeline stages as the group has boxes."""
    stages, count = group.head.settings.serve.pipeline_parallel, len(group.members)
    if stages != count:
        raise UsageError(
            f"--pp {stages}: the group {group.name} has {count} boxes, and each runs one stage of "
            f"the model: give --pp {count}, or set serve.pipeline_parallel"
        )


def refuse_member(host: Host) -> None:
    """Raise UsageError for a host that serves as part of a cluster alone."""
    if host.settings.cluster.head:
        raise UsageError(
            f"{host.name}: belongs to the cluster of {host.settings.cluster.head} (cluster.head): "
            "deploy its group with --group NAME --pp BOXES"
        )


def _different(one: Host, other: Host) -> str | None:
    """Return the first setting that must be the same on both, None if all are."""
    first, second = one.settings, other.settings
    pairs = {
        "cluster": (
            (first.cluster.head, first.cluster.port),
            (second.cluster.head, second.cluster.port),
        ),
        "accelerator": (first.accelerator, second.accelerator),
        "service_user": (first.user, second.user),
        "vllm": (first.vllm, second.vllm),
        "python": (first.python, second.python),
        "model": (first.model, second.model),
    }
    return next((name for name, (left, right) in pairs.items() if left != right), None)
