"""The files and commands that turn a bare tree into a box of this project. Pure: files as data.

`SETUP` runs once as root in the base tree; `base_files` and `box_files` are written over it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from onecard.sandbox.common.controller import Controller
from onecard.sandbox.common.sources import sources_text

PACKAGES = (
    "systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "python3", "iproute2",
    "ca-certificates",
)  # fmt: skip
ADMIN = "admin"
ADMIN_UID = 1000
CERTIFICATES = "/usr/local/share/ca-certificates/controller"

# The timers are off: they would run apt at a random minute and hold its lock. Host keys and machine
# id are new in every box.
CLEAN = """\
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /etc/apt/sources.list
rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin
rm -rf /var/lib/apt/lists
mkdir -p /var/lib/apt/lists/partial
"""
SETUP = f"""\
set -e
id {ADMIN} >/dev/null 2>&1 || useradd --create-home --uid {ADMIN_UID} --shell /bin/bash {ADMIN}
systemctl enable systemd-networkd.service
systemctl mask systemd-networkd-wait-online.service
systemctl disable apt-daily.timer apt-daily-upgrade.timer
if [ -e /lib/systemd/system/systemd-resolved.service ]; then
    systemctl mask systemd-resolved.service
fi
mkdir -p /var/log/journal
{CLEAN}"""


@dataclass(frozen=True)
class TreeFile:
    """A file of the tree. owner: UID and GID."""

    content: bytes
    mode: int = 0o644
    owner: int = 0


@dataclass(frozen=True)
class Identity:
    """A box's name, machine id and keys (OpenSSH texts); host_private is for 0600 files only."""

    name: str
    machine_id: str
    login_public: str
    host_private: str
    host_public: str


def base_files(controller: Controller) -> dict[str, TreeFile]:
    """Return path -> file for what every box of this controller shares."""
    environment = dict(controller.environment)
    quoted = [f'"{name}={value}"' for name, value in environment.items() if '"' not in value]
    files = {
        "/etc/apt/sources.list.d/controller.sources": _text(sources_text(controller.sources)),
        "/etc/apt/apt.conf.d/99controller": _text(controller.apt_settings),
        "/etc/environment": _text("".join(f"{n}={v}\n" for n, v in environment.items())),
        "/etc/systemd/system.conf.d/controller.conf": _text(
            f"[Manager]\nDefaultEnvironment={' '.join(quoted).replace('%', '%%')}\n"
        ),
        # A sandbox is never recovered after a crash: do not wait for the disk.
        "/etc/dpkg/dpkg.cfg.d/sandbox": _text("force-unsafe-io\n"),
        "/etc/ssh/sshd_config.d/sandbox.conf": _text(
            "HostKey /etc/ssh/ssh_host_ed25519_key\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            "PermitRootLogin prohibit-password\n"
        ),
        f"/etc/sudoers.d/{ADMIN}": TreeFile(
            (
                f"{ADMIN} ALL=(ALL:ALL) NOPASSWD: ALL\n"
                + (f'Defaults env_keep += "{" ".join(environment)}"\n' if environment else "")
            ).encode(),
            0o440,
        ),
    }
    if controller.pip_conf:
        files["/etc/pip.conf"] = _text(controller.pip_conf)
    for path, content in controller.files.items():
        secret = path.startswith("/etc/apt/auth.conf")
        files[path] = TreeFile(content, 0o600 if secret else 0o644)
    return files


def box_files(identity: Identity) -> dict[str, TreeFile]:
    """Return path -> file for one box's own name and keys."""
    authorized = (identity.login_public + "\n").encode()
    return {
        "/etc/hostname": _text(identity.name + "\n"),
        "/etc/hosts": _text(
            f"127.0.0.1 localhost\n127.0.1.1 {identity.name}\n::1 localhost ip6-localhost\n"
        ),
        "/etc/machine-id": TreeFile((identity.machine_id + "\n").encode(), 0o444),
        "/etc/ssh/ssh_host_ed25519_key": TreeFile(identity.host_private.encode(), 0o600),
        "/etc/ssh/ssh_host_ed25519_key.pub": _text(identity.host_public + "\n"),
        "/root/.ssh/authorized_keys": TreeFile(authorized, 0o600),
        f"/home/{ADMIN}/.ssh/authorized_keys": TreeFile(authorized, 0o600, ADMIN_UID),
    }


def network_files(
    address: str, gateway: str, resolv_conf: str, networkd: bool = True
) -> dict[str, TreeFile]:
    """Return path -> file for a box's static address (with prefix length) and name servers.

    networkd: False for a box whose address is set from outside.
    """
    files = {"/etc/resolv.conf": _text(resolv_conf)}
    if networkd:
        files["/etc/systemd/network/10-host0.network"] = _text(
            "[Match]\nName=host0\n\n"
            f"[Network]\nAddress={address}\nGateway={gateway}\n"
            "DHCP=no\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        )
    return files


def certificate_files(added: Mapping[str, str]) -> dict[str, TreeFile]:
    """Return path -> file for certificates (digest -> PEM); update-ca-certificates bundles them."""
    return {posixpath.join(CERTIFICATES, f"{name}.crt"): _text(pem) for name, pem in added.items()}


def _text(content: str) -> TreeFile:
    return TreeFile(content.encode())
