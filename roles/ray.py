"""Ray on a box of a cluster: the head's, or a worker's that joins it.

Ray runs what it is sent, on every address that the box has. Three things confine it: a token that
all its calls need, the unit's filter, through which only the cluster's boxes reach it, and the
server's unprivileged account. vLLM sends its API server's environment to every worker unless a
file says otherwise: the API key stays on the head.
"""

from __future__ import annotations

import json
from typing import Final

from onecard.api.address import in_url
from onecard.box import paths
from onecard.credentials.secret import Secret
from onecard.engine.host_plan import RolePlan
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.inventory.serving_groups.cluster_group import ClusterGroup
from onecard.resources.absent import NoPath, NoService
from onecard.resources.base import Resource
from onecard.resources.files.file import Directory, File
from onecard.resources.files.secret_file import SecretFile
from onecard.resources.skipped import Skipped
from onecard.resources.system.address_filter import AddressFilter
from onecard.resources.system.ray_nodes import RayNodes
from onecard.resources.system.service import Service, UnitFile, configuration
from onecard.templates.render import render
from roles import serve

VARIABLE: Final = "RAY_AUTH_TOKEN"
ENVIRONMENT: Final = f"{paths.RAY}/ray.env"
# vllm/ray/ray_env.py, RAY_NON_CARRY_OVER_ENV_VARS_FILE.
NOT_CARRIED: Final = f"{paths.RAY}/ray_non_carry_over_env_vars.json"
# Ray's default is 30 % of the box's memory. vLLM passes its messages by other ways.
_OBJECT_STORE: Final = 2**30


def desired(
    group: ClusterGroup, host: Host, facts: Facts, venv: str, token: Secret | None
) -> RolePlan:
    """Return Ray on one box of a cluster.

    venv: whose Ray, the same on all boxes. token: of the cluster; None on the head, where it is
    generated.
    """
    is_head = host.name == group.head.name
    own_environment = {**serve.server_environment(host, facts), "RAY_AUTH_MODE": "token"}
    environment = File(
        ENVIRONMENT,
        render(
            "vllm.env.j2",
            {
                "path": paths.server_path(venv),
                "cache": paths.CACHE,
                "engine_timeout": serve.engine_timeout(host.settings.serve),
                "environment": sorted(own_environment.items()),
            },
        ),
        mode=0o600,
    )
    variables = {
        "part": "head" if is_head else "worker",
        "user": host.settings.user,
        "environment_file": ENVIRONMENT,
        "token_file": paths.RAY_TOKEN,
        "sessions": paths.RAY_SESSIONS,
        "members": tuple(group.addresses),
        "command": command(group, host, venv),
    }
    template = "onecard-ray.service.j2"
    blank = render(template, {**variables, "configuration": ""})
    fingerprint = configuration(environment.content, blank)
    secret = SecretFile(paths.RAY_TOKEN, VARIABLE, token)
    resources: tuple[Resource, ...] = (
        _filter(facts),
        Directory(paths.RAY),
        secret,
        File(NOT_CARRIED, json.dumps(["VLLM_API_KEY", VARIABLE]) + "\n"),
        environment,
        UnitFile(paths.RAY_UNIT, render(template, {**variables, "configuration": fingerprint})),
        Service(paths.RAY_UNIT, configuration=fingerprint, secret=secret),
    )
    return RolePlan("ray_head" if is_head else "ray_worker", resources)


def _filter(facts: Facts) -> Resource:
    """Return the check that the unit's filter is enforced; a container may not have it."""
    if facts.machine.container.kind:
        return Skipped(AddressFilter.title, "container")
    return AddressFilter()


def command(group: ClusterGroup, host: Host, venv: str) -> tuple[str, ...]:
    """Return Ray's command line on one box, word by word."""
    wanted = group.head.settings.cluster
    part = (
        ("--head", "--port", str(wanted.port), "--include-dashboard", "false")
        if host.name == group.head.name
        else ("--address", f"{in_url(wanted.address)}:{wanted.port}")
    )
    own = ("--node-ip-address", host.settings.cluster.address)
    # A worker takes the head's --temp-dir.
    folder = ("--temp-dir", paths.RAY_SESSIONS) if "--head" in part else ()
    return (
        *(f"{venv}/bin/ray", "start", "--block", *part, *own, *folder),
        *("--disable-usage-stats", "--include-log-monitor", "false"),
        *("--object-store-memory", str(_OBJECT_STORE)),
    )


def joined(group: ClusterGroup, venv: str) -> RolePlan:
    """Return what the head must find before its server starts: every box in its cluster."""
    return RolePlan(
        "ray_head",
        (RayNodes(venv, group.head.settings.cluster.port, tuple(group.addresses.items())),),
    )


def absent() -> tuple[Resource, ...]:
    """Return all of it as absent."""
    return (
        NoService(paths.RAY_UNIT),
        NoPath(paths.RAY, wipe=("*.env",)),
        NoPath(paths.RAY_SESSIONS),
    )
