"""Docker's argument lists and the image's recipe. Pure: nothing is run here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from onecard.sandbox.controller import Controller
from onecard.sandbox.driver import BoxState
from onecard.sandbox.furnish import PACKAGES
from onecard.sandbox.furnish import SETUP as COMMON_SETUP
from onecard.sandbox.names import Labels

# Bound into every container by the engine, so they cannot be copied over.
ENGINE_FILES = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
_LABEL = "onecard.project"
# The engine gives the network, so the box has no networkd of its own.
SETUP = COMMON_SETUP + (
    "systemctl disable systemd-networkd.service\n"
    "systemctl mask systemd-networkd.service systemd-networkd.socket\n"
)


def container(labels: Labels, name: str) -> str:
    """Return the name of a box's container."""
    return f"onecard-{labels.project}-{name}"


def image(labels: Labels, digest: str) -> str:
    """Return the name of the base image."""
    return f"onecard-{labels.project}:{digest}"


def dockerfile(controller: Controller) -> str:
    """Return the recipe. Its context holds `files.tar` and `setup.sh` (SETUP below)."""
    return (
        f"FROM {controller.distribution}:{controller.codename}\n"
        "ENV DEBIAN_FRONTEND=noninteractive container=docker\n"
        # The controller's archive and certificates are there before the first download.
        "RUN rm -f /etc/apt/sources.list /etc/apt/sources.list.d/*\n"
        "ADD files.tar /\n"
        "RUN apt-get update && apt-get install -y --no-install-recommends "
        f"-o Dpkg::Options::=--force-confold {' '.join(PACKAGES)}\n"
        "COPY setup.sh /tmp/setup.sh\n"
        "RUN sh /tmp/setup.sh && rm /tmp/setup.sh && update-ca-certificates\n"
        "STOPSIGNAL SIGRTMIN+3\n"
        'CMD ["/sbin/init"]\n'
    )


def build(labels: Labels, image_name: str, context: str) -> list[str]:
    """Return `docker build` for the folder `context`."""
    label = f"{_LABEL}={labels.project}"
    return ["docker", "build", "--quiet", "--label", label, "--tag", image_name, context]


def create(
    labels: Labels, name: str, image_name: str, read_only: Sequence[Path], pip_cache: Path
) -> list[str]:
    """Return `docker create`: systemd as PID 1 needs the privileges to mount and make groups.

    read_only: folders bound at the same path. The engine picks the SSH port on 127.0.0.1.
    """
    command = [
        "docker", "create", "--name", container(labels, name), "--hostname", name,
        "--label", f"{_LABEL}={labels.project}", "--privileged", "--cgroupns", "private",
        "--tmpfs", "/run", "--tmpfs", "/run/lock", "--shm-size", "2g",
        "--publish", "127.0.0.1::22",
    ]  # fmt: skip
    for path in read_only:
        command += ["--mount", f"type=bind,source={path},target={path},readonly"]
    command += ["--mount", f"type=bind,source={pip_cache},target=/root/.cache/pip"]
    return [*command, image_name]


def is_booted(labels: Labels, name: str) -> list[str]:
    """Return the command that succeeds once systemd says `running` or `degraded`."""
    ask = "case $(systemctl is-system-running) in running|degraded) ;; *) exit 1 ;; esac"
    return ["docker", "exec", container(labels, name), "/bin/sh", "-c", ask]


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
