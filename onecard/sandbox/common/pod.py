"""What a box without systemd is: the tree and limits of a rented container ("pod").

It looks like the images that RunPod and Vast start: Debian or Ubuntu without an init system, whose
PID 1 is a script that runs sshd, under Docker's default capabilities and system-call filter.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from onecard.sandbox.common.controller import Controller
from onecard.sandbox.common.furnish import ADMIN, Identity, TreeFile, base_files, box_files

WORKSPACE = "/workspace"
SHM_BYTES = 64 << 20
PACKAGES = ("openssh-server", "python3", "ca-certificates")

# The capabilities that Docker leaves to root (a80425fb in /proc/PID/status):
# https://github.com/moby/moby/blob/v28.2.2/oci/caps/defaults.go
CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
    "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
)  # fmt: skip

_PERIOD = 100_000  # µs, Docker's cpu.cfs_period_us

# PID 1, as in RunPod's images: https://github.com/runpod/containers (container-template/start.sh).
# dash reaps every process that is left to PID 1 while it waits. /run/lock is in every image, but
# nspawn mounts an empty /run.
_START = b"""\
#!/bin/sh
mkdir -p -m 1777 /run/lock
mkdir -p /run/sshd
/usr/sbin/sshd -D &
sshd=$!
trap 'kill -TERM $sshd' TERM
if [ -f /post_start.sh ]; then
    bash /post_start.sh
fi
while kill -0 $sshd 2>/dev/null; do wait $sshd; done
"""

# A container's packages start no service when they are installed: Docker's Debian and Ubuntu
# images have this file.
_POLICY = b"#!/bin/sh\nexit 101\n"

# Removes from the base tree, once, what an image of a container does not have. pam_loginuid needs a
# capability that a container lacks, and refuses the login: images change that line.
STRIP = f"""\
set -e
export SUDO_FORCE_REMOVE=yes DEBIAN_FRONTEND=noninteractive
packages=$(dpkg-query -W -f '${{db:Status-Abbrev}} ${{Package}}\\n' \
    'systemd*' 'libpam-systemd' 'libnss-systemd' 'dbus*' sudo iproute2 2>/dev/null |
    while read -r state name; do [ "$state" = ii ] && echo "$name" || true; done)
[ -z "$packages" ] || dpkg --purge $packages
if id {ADMIN} >/dev/null 2>&1; then userdel --remove {ADMIN}; fi
rm -rf /etc/systemd/network /etc/systemd/system.conf.d /var/log/journal /etc/machine-id
sed -i 's/^session *required *pam_loginuid.so/session optional pam_loginuid.so/' /etc/pam.d/sshd
"""


@dataclass(frozen=True)
class PodLimits:
    """What the pod's control group allows. memory: bytes. cpus: cores, also parts of one."""

    memory: int
    cpus: float

    @property
    def cpu_quota(self) -> tuple[int, int]:
        """Return quota and period in µs."""
        return int(self.cpus * _PERIOD), _PERIOD


def limits_of_this_computer() -> PodLimits:
    """Return the limits of a pod here: less than /proc shows of this computer."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return PodLimits(memory // 2, max(1.0, (os.cpu_count() or 1) * 0.75))


def pod_files(controller: Controller, identity: Identity) -> dict[str, TreeFile]:
    """Return path -> file for a pod: what any box gets, without accounts, units and machine id."""
    files = {**base_files(controller), **box_files(identity)}
    absent = ("/etc/systemd/", "/etc/sudoers.d/", f"/home/{ADMIN}/", "/etc/machine-id")
    return {
        **{path: file for path, file in files.items() if not path.startswith(absent)},
        "/start.sh": TreeFile(_START, 0o755),
        "/usr/sbin/policy-rc.d": TreeFile(_POLICY, 0o755),
        "/.dockerenv": TreeFile(b"", 0o755),
    }
