"""A driver plan: a value that says what to do, and the commands that do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

BLACKLIST_FILE = "/etc/modprobe.d/onecard-nouveau.conf"
UNATTENDED_FILE = "/etc/apt/apt.conf.d/60onecard-driver"
_APT = "DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -y"


@dataclass(frozen=True)
class DriverPlan:
    """What to do about the driver of one box.

    action: `leave`, `install`, `reboot` (installed already, a reboot loads it) or `refuse`.
    reason, fix: one line each; fix is empty unless something is for the user to do.
    route: `ubuntu` or `nvidia` for `install`. repository: commands that add an apt source.
    packages: exact names for apt, in one transaction.
    fabric_package: Fabric Manager, where NVSwitch is; empty elsewhere. version_from: the package
    whose version it gets when the plan runs. fabric_unit: its service.
    blacklist_nouveau: write the file and the initramfs. persistence: enable nvidia-persistenced.
    reboot: the new driver serves only after a reboot.
    """

    action: Literal["leave", "install", "reboot", "refuse"]
    reason: str
    fix: str = ""
    route: str = ""
    repository: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    fabric_package: str = ""
    fabric_unit: str = ""
    version_from: str = ""
    blacklist_nouveau: bool = False
    persistence: bool = False
    reboot: bool = False

    def commands(self) -> tuple[str, ...]:
        """Return the shell commands, in order, without the reboot. Run as root under `sh -e`."""
        blacklist = (
            [f"printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' >{BLACKLIST_FILE}"]
            if self.blacklist_nouveau
            else []
        )
        if self.action == "reboot" and blacklist:
            return (*blacklist, "update-initramfs -u")
        if self.action != "install":
            return ()
        steps = [*self.repository, f"{_APT} update", *blacklist]
        steps.append(f"{_APT} install --no-install-recommends {' '.join(self.packages)}")
        if self.fabric_package:
            steps += self._fabric()
        steps += [
            # Held by what is installed, because a meta package's parts move by themselves too.
            "dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n' '*nvidia*' 'cuda-drivers*'"
            " 2>/dev/null | sed -n 's/^.i *//p' | xargs -r apt-mark hold",
            'printf \'Unattended-Upgrade::Package-Blacklist { "nvidia"; "libnvidia";'
            f' "linux-modules-nvidia"; "cuda-drivers"; }};\\n\' >{UNATTENDED_FILE}',
        ]
        if self.blacklist_nouveau:
            steps.append("update-initramfs -u")
        if self.persistence:
            steps.append("systemctl enable nvidia-persistenced.service || true")
        return tuple(steps)

    def _fabric(self) -> list[str]:
        # The Fabric Manager refuses a driver of any other full version than its own.
        package = self.fabric_package
        version = (
            "$(dpkg-query -W -f '${Version}' "
            + self.version_from
            + " | sed 's/^[0-9]*://; s/-.*//')"
        )
        exact = (
            f'$(apt-cache madison {package} | awk -v want="{version}"'
            " 'index($3, want \"-\") == 1 { print $3; exit }')"
        )
        return [
            f'version="{exact}"; test -n "$version" ||'
            f" {{ echo 'no {package} of the driver version' >&2; exit 1; }};"
            f' {_APT} install {package}="$version"',
            f"systemctl enable {self.fabric_unit}",
        ]
