"""A deploy, and a rollback, of one model over the boxes of a cluster.

The server, its releases and its startup check are the head's, as on a single box. The other boxes
run Ray from the release's environment, so that a release that goes back takes them along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from onecard.box import paths
from onecard.cluster.members import refuse_cpu, require_alike
from onecard.cluster.network import SLOW_MBIT_S, BoxLink, measure_links
from onecard.cluster.ray_start import remove_ray, start_ray
from onecard.deploy.console import DeployConsole
from onecard.deploy.deployment import (
    Deployment,
    deploy_host,
    require_provisioned,
    restore_release,
)
from onecard.deploy.startup_check import StartupCheck
from onecard.engine.converge import gather
from onecard.engine.host_report import HostReport
from onecard.engine.listener import EventListener
from onecard.errors import OnecardError
from onecard.fit.on_host import read_box_model
from onecard.inventory.host import Host
from onecard.inventory.serving_groups.cluster_group import ClusterGroup
from onecard.json_text import parse_json
from onecard.server.releases import ReleaseInfo, current_release, list_releases, target
from onecard.ssh.login import Connected
from onecard.ssh.shell import Session


@dataclass(frozen=True)
class ClusterDeployment:
    """links: the network between the boxes. reports: of Ray on each. head: the server's deploy."""

    links: tuple[BoxLink, ...]
    reports: tuple[HostReport, ...]
    head: Deployment


@dataclass(frozen=True)
class CurrentRelease:
    """The current release. venv: whose Ray it needs; empty for a server without Ray."""

    release: ReleaseInfo
    venv: str


def deploy_cluster(
    group: ClusterGroup,
    boxes: Sequence[Connected],
    consoles: Callable[[Host], DeployConsole],
    *,
    listeners: Sequence[EventListener] = (),
    given: tuple[str, ...] = (),
    check: bool = False,
    force: bool = False,
) -> ClusterDeployment:
    """Deploy the group's model: the boxes compared, their network, Ray, the server on the head.

    boxes: the head's first. A failure takes all of them back to the release before, and Ray away
    where that needs none. The other arguments, and what is raised, are `deploy_host`'s.
    """
    head, say = boxes[0], consoles(group.head).say
    links = examine(boxes, say)
    if not (check or force):
        refuse_cpu(head.host)
    before = find_current(head.session)
    host = head.host
    goes_back = host.settings.serve.rollback and not check
    if before is not None and before.venv != host.venv:
        # The box would go back at once, while Ray still is the new environment's.
        serve = host.settings.serve.model_copy(update={"rollback": False})
        host = replace(host, settings=host.settings.model_copy(update={"serve": serve}))
    try:
        reports = start_ray(
            group, boxes, host.venv, consoles, command="deploy", models=True, check=check
        )
        done = deploy_host(
            head,
            host,
            consoles(host),
            listeners=listeners,
            given=given,
            check=check,
            force=force,
        )
    except OnecardError:
        if goes_back:
            try:
                _take_back(group, boxes, consoles, before)
            except OnecardError as error:  # the first error is the cause, and is raised
                say(f"the boxes are not as they were before: {error.message}", "red")
        raise
    if done.error is not None and goes_back:
        restored = _take_back(group, boxes, consoles, before)
        if done.check is not None and done.check.back_to is None and restored is not None:
            done.check.starts += restored.starts
    return ClusterDeployment(links, reports, done)


def examine(boxes: Sequence[Connected], say: Callable[[str, str], None]) -> tuple[BoxLink, ...]:
    """Compare the boxes and measure the network between them; nothing is changed.

    Raises PreflightError for what forbids a cluster.
    """
    with ThreadPoolExecutor(len(boxes)) as pool:
        facts = dict(pool.map(lambda box: (box.host.name, gather(box.session, None)), boxes))
    require_alike(facts)
    for box in boxes:
        require_provisioned(box.host, read_box_model(box.session, box.host))
    for name in (name for name, each in facts.items() if each.machine.container.kind):
        say(
            f"warning: {name} is a container, where systemd's address filter may not work: Ray's "
            "token alone protects it",
            "yellow",
        )
    return measure_links(boxes, lambda link: say(str(link), _style(link)))


def roll_back_cluster(
    group: ClusterGroup,
    boxes: Sequence[Connected],
    consoles: Callable[[Host], DeployConsole],
    number: int | None,
) -> tuple[ReleaseInfo, bool, StartupCheck]:
    """Restore a release on the head, with the Ray that it needs on all boxes, or without any.

    Returns it, whether the server's unit was changed, and the startup check. Raises PreflightError
    where there is no such release, or it never answered.
    """
    head = boxes[0]
    chosen = target(list_releases(head.session), number)
    if venv := ray_environment(head.session, chosen.number):
        start_ray(group, boxes, venv, consoles, command="rollback")
    else:
        remove_ray(boxes, consoles, command="rollback")
    plan, check = restore_release(
        head,
        head.host,
        consoles(head.host),
        command="rollback",
        release=chosen.number,
        fingerprint=chosen.fingerprint,
    )
    return chosen, bool(plan.changes), check


def find_current(session: Session) -> CurrentRelease | None:
    """Return the release that is current on the head; None where none has answered yet."""
    current = current_release(session)
    if current is None:
        return None
    return CurrentRelease(current, ray_environment(session, current.number))


def ray_environment(session: Session, release: int) -> str:
    """Return the environment of a release that runs with Ray; empty for any other release."""
    return environment_of(session.run(f"cat {paths.RELEASES}/{release}/about.json").output)


def environment_of(about: str) -> str:
    """Return the environment that a release's about.json names; empty where it has no Ray."""
    try:
        words = list(map(str, parse_json(about)["command"]))
    except (ValueError, KeyError, TypeError):
        return ""
    backend = "--distributed-executor-backend"
    is_ray = backend in words and words[words.index(backend) + 1 :][:1] == ["ray"]
    return words[0].removesuffix("/bin/vllm") if is_ray else ""


def _take_back(
    group: ClusterGroup,
    boxes: Sequence[Connected],
    consoles: Callable[[Host], DeployConsole],
    before: CurrentRelease | None,
) -> StartupCheck | None:
    """Take all boxes back to the release before; return its startup check, None without one."""
    say = consoles(group.head).say
    if before is None or not before.venv:
        say("takes Ray away from all boxes again", "red")
        remove_ray(boxes, consoles, command="deploy")
    else:
        say(f"all boxes go back to release {before.release.number}", "red")
        start_ray(group, boxes, before.venv, consoles, command="deploy")
    if before is None:
        return None
    _, check = restore_release(
        boxes[0],
        boxes[0].host,
        consoles(boxes[0].host),
        command="deploy",
        release=before.release.number,
        fingerprint=before.release.fingerprint,
    )
    return check


def _style(link: BoxLink) -> str:
    return "yellow" if link.mbit_s < SLOW_MBIT_S else ""
