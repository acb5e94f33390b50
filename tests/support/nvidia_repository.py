"""A stand-in for NVIDIA's apt repository: packages of the real names, with no driver in them.

What they install behaves as the driver's parts do as far as a box without a GPU can show it:
nvidia-smi answers only after a reboot, the daemon keeps the persistence mode, and the Fabric
Manager is a service. Built with dpkg-deb.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

VERSION = "580.95.05"
LATER = "590.44.01"  # of the branch after it

# As on a box whose module is loaded at boot: it fails until the boot after its installation.
_SMI = """#!/bin/sh
if [ "$(cat /var/lib/nvidia-stand-in)" = "$(cat /proc/sys/kernel/random/boot_id)" ]; then
  echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."; exit 9
fi
mode=Disabled; [ ! -e /run/nvidia-persistence ] || mode=Enabled
case "$*" in
  *query-gpu=driver_version*) echo @version@ ;;
  *query-gpu=persistence_mode*) echo $mode ;;
  *query-gpu=index*) echo "0, NVIDIA A10, GPU-1, @version@, 23028, 0, 00000000:00:06.0, $mode, 8.6, [N/A], Enabled, 0" ;;
  -L) echo "GPU 0: NVIDIA A10 (UUID: GPU-1)" ;;
  "") echo "| NVIDIA-SMI @version@    Driver Version: @version@    CUDA Version: 13.0 |" ;;
esac
"""

# The unit as Ubuntu and NVIDIA ship it: persistence is off although the daemon runs.
_PERSISTENCED_UNIT = """[Unit]
Description=NVIDIA Persistence Daemon
StopWhenUnneeded=true
[Service]
ExecStart=/usr/bin/nvidia-persistenced --user root --no-persistence-mode --verbose
ExecStopPost=/bin/rm -f /run/nvidia-persistence
"""
_PERSISTENCED = """#!/bin/sh
case " $* " in *" --persistence-mode "*) : >/run/nvidia-persistence ;; esac
exec sleep infinity
"""
_FABRIC_UNIT = """[Unit]
Description=NVIDIA fabric manager service
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Deb:
    """A package to build. files: path -> text; a text that begins with #! is executable."""

    name: str
    version: str = f"{VERSION}-1"
    depends: str = ""
    conflicts: str = ""
    maintainer: str = "cudatools <cudatools@nvidia.com>"
    files: Mapping[str, str] = field(default_factory=dict)
    postinst: str = ""

    def build(self, folder: Path) -> Path:
        """Build it into a folder and return its file."""
        tree = folder / f"tree-{self.name}-{self.version}"
        control = tree / "DEBIAN"
        control.mkdir(parents=True)
        relations = f"Depends: {self.depends}\n" if self.depends else ""
        if self.conflicts:
            relations += f"Provides: {self.conflicts}\nConflicts: {self.conflicts}\n"
        (control / "control").write_text(
            f"Package: {self.name}\nVersion: {self.version}\nArchitecture: all\n{relations}"
            f"Maintainer: {self.maintainer}\nDescription: stand-in\n"
        )
        if self.postinst:
            (control / "postinst").write_text(f"#!/bin/sh\nset -e\n{self.postinst}\n")
            (control / "postinst").chmod(0o755)
        for path, text in self.files.items():
            target = tree / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            target.chmod(0o755 if text.startswith("#!") else 0o644)
        file = folder / f"{self.name}_{self.version}_all.deb"
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-b", tree, file], check=True, capture_output=True
        )
        return file


def build(folder: Path, url: str, kernel: str, system: str) -> None:
    """Fill `folder`, which `url` serves, for boxes of one system (`debian12`) and kernel."""
    repository = folder / system / "x86_64"
    repository.mkdir(parents=True)
    source = f"deb [trusted=yes] {url}/{system}/x86_64 ./\n"
    packages = [
        Deb(f"linux-headers-{kernel}", "1"),
        *_branch(VERSION),
        *_branch(LATER),
        # The newest of a branch is another driver's: taking it is the mistake that error 802 comes
        # from.
        *(_fabric_manager(version) for version in ("580.82.07", "580.105.08")),
    ]
    entries = [_entry(package.build(repository)) for package in packages]
    (repository / "Packages").write_text("\n".join(entries))
    keyring = Deb("cuda-keyring", "1.1-1", files={"/etc/apt/sources.list.d/cuda.list": source})
    keyring.build(repository)


def _branch(version: str) -> tuple[Deb, ...]:
    """Return the driver of a version, and the package that pins apt to its branch."""
    branch = version.partition(".")[0]
    pin = f"Package: nvidia-open nvidia-persistenced\nPin: version {branch}.*\nPin-Priority: 1001\n"
    return (
        Deb(
            f"nvidia-driver-pinning-{branch}",
            f"{branch}-1",
            conflicts="nvidia-driver-pinning",
            files={"/etc/apt/preferences.d/nvidia-driver-pinning": pin},
        ),
        Deb(
            "nvidia-open",
            f"{version}-1",
            depends=f"nvidia-persistenced (= {version}-1)",
            files={"/usr/bin/nvidia-smi": _SMI.replace("@version@", version)},
            postinst="cat /proc/sys/kernel/random/boot_id >/var/lib/nvidia-stand-in",
        ),
        Deb(
            "nvidia-persistenced",
            f"{version}-1",
            files={
                "/usr/bin/nvidia-persistenced": _PERSISTENCED,
                "/lib/systemd/system/nvidia-persistenced.service": _PERSISTENCED_UNIT,
            },
        ),
        _fabric_manager(version),
    )


def _fabric_manager(version: str) -> Deb:
    unit = {"/lib/systemd/system/nvidia-fabricmanager.service": _FABRIC_UNIT}
    return Deb("nvidia-fabricmanager", f"{version}-1", files=unit)


def _entry(file: Path) -> str:
    control = subprocess.run(
        ["dpkg-deb", "-f", file], check=True, capture_output=True, text=True
    ).stdout
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    size = file.stat().st_size
    return f"{control.strip()}\nFilename: ./{file.name}\nSize: {size}\nSHA256: {digest}\n"
