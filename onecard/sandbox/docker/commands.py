"""Docker's argument lists and the image's recipe. Pure: nothing is run here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from onecard.sandbox.common.backend import BoxState
from onecard.sandbox.common.controller import Controller
from onecard.sandbox.common.furnish import CLEAN, PACKAGES
from onecard.sandbox.common.furnish import SETUP as COMMON_SETUP
from onecard.sandbox.common.names import Labels
from onecard.sandbox.common.pod import PACKAGES as POD_PACKAGES
from onecard.sandbox.common.pod import SHM_BYTES, STRIP, WORKSPACE, PodLimits

# The engine mounts these into every container, so they cannot be overwritten.
ENGINE_FILES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
_LABEL = "onecard.project"
# The engine provides the network: the box has no networkd.
SETUP = COMMON_SETUP + (
    "systemctl disable systemd-networkd.service\n"
    "systemctl mask systemd-networkd.service systemd-networkd.socket\n"
)
POD_SETUP = STRIP + CLEAN


def container(labels: Labels, name: str) -> str:
    """Return the name of a box's container."""
    return f"onecard-{labels.project}-{name}"


def image(labels: Labels, digest: str) -> str:
    """Return the name of the base image."""
    return f"onecard-{labels.project}:{digest}"


def volume(labels: Labels, name: str) -> str:
    """Return the name of a pod's volume, which outlives its containers."""
    return f"{container(labels, name)}-workspace"


def dockerfile(controller: Controller, systemd: bool = True) -> str:
    """Return the recipe. Its context holds `files.tar` and `setup.sh` (SETUP or POD_SETUP)."""
    packages = PACKAGES if systemd else POD_PACKAGES
    end = 'STOPSIGNAL SIGRTMIN+3\nCMD ["/sbin/init"]\n' if systemd else 'CMD ["/start.sh"]\n'
    return (
        f"FROM {controller.distribution}:{controller.codename}\n"
        f"ENV DEBIAN_FRONTEND=noninteractive{' container=docker' if systemd else ''}\n"
        # The controller's sources and certificates, before the first download.
        "RUN rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*\n"
        "ADD files.tar /\n"
        "RUN apt-get update && apt-get install -y --no-install-recommends "
        f"-o Dpkg::Options::=--force-confold {' '.join(packages)}\n"
        "COPY setup.sh /tmp/setup.sh\n"
        "RUN sh /tmp/setup.sh && rm /tmp/setup.sh && update-ca-certificates\n"
    ) + end


def build(labels: Labels, image_name: str, context: str) -> list[str]:
    """Return `docker build` for the folder `context`."""
    label = f"{_LABEL}={labels.project}"
    return ["docker", "build", "--quiet", "--label", label, "--tag", image_name, context]


def create(
    labels: Labels, name: str, image_name: str, read_only: Sequence[Path], pip_cache: Path
) -> list[str]:
    """Return `docker create`, privileged: systemd mounts and creates control groups.

    read_only: folders bound at the same path. The engine picks the SSH port on 127.0.0.1.
    """
    command = [
        *_create(labels, name, read_only),
        "--privileged", "--tmpfs", "/run", "--tmpfs", "/run/lock", "--shm-size", "2g",
        "--mount", f"type=bind,source={pip_cache},target=/root/.cache/pip",
    ]  # fmt: skip
    return [*command, image_name]


def create_pod(
    labels: Labels, name: str, image_name: str, read_only: Sequence[Path], limits: PodLimits
) -> list[str]:
    """Return `docker create` of a plain container with a volume and limits."""
    return [
        *_create(labels, name, read_only),
        "--shm-size", str(SHM_BYTES), "--memory", str(limits.memory), "--cpus", str(limits.cpus),
        "--mount", f"type=volume,source={volume(labels, name)},target={WORKSPACE}",
        image_name,
    ]  # fmt: skip


def _create(labels: Labels, name: str, read_only: Sequence[Path]) -> list[str]:
    command = [
        "docker", "create", "--name", container(labels, name), "--hostname", name,
        "--label", f"{_LABEL}={labels.project}", "--cgroupns", "private",
        "--publish", "127.0.0.1::22",
    ]  # fmt: skip
    for path in read_only:
        command += ["--mount", f"type=bind,source={path},target={path},readonly"]
    return command


def is_booted(labels: Labels, name: str) -> list[str]:
    """Return the command that succeeds when systemd's state is `running` or `degraded`."""
    check = "case $(systemctl is-system-running) in running|degraded) ;; *) exit 1 ;; esac"
    return ["docker", "exec", container(labels, name), "/bin/sh", "-c", check]


def shell(labels: Labels, name: str) -> list[str]:
    """Return `docker exec` of a login shell on this terminal."""
    return ["docker", "exec", "-it", "-w", "/root", container(labels, name), "bash", "-l"]


def port(labels: Labels, name: str) -> list[str]:
    """Return `docker port` for the box's sshd."""
    return ["docker", "port", container(labels, name), "22/tcp"]


def list_boxes(labels: Labels) -> list[str]:
    """Return `docker ps` of this project's containers, `NAME STATE` a line."""
    label = f"label={_LABEL}={labels.project}"
    return ["docker", "ps", "--all", "--filter", label, "--format", "{{.Names}} {{.State}}"]


def images(labels: Labels) -> list[str]:
    """Return `docker image ls` of this project's images, one a line."""
    label = f"label={_LABEL}={labels.project}"
    return ["docker", "image", "ls", "--filter", label, "--format", "{{.Repository}}:{{.Tag}}"]


def parse_list(output: str, labels: Labels) -> dict[str, BoxState]:
    """Return box name -> state from `list_boxes`."""
    prefix = container(labels, "")
    found: dict[str, BoxState] = {}
    for line in output.splitlines():
        name, _, state = line.partition(" ")
        if name.startswith(prefix):
            found[name[len(prefix) :]] = "running" if state.strip() == "running" else "stopped"
    return found


def parse_port(output: str) -> int:
    """Return the port from `docker port`'s `127.0.0.1:49153`."""
    return int(output.splitlines()[0].rpartition(":")[2])
