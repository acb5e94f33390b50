"""Package names of the driver's parts, by route, each with its source.

Ubuntu's archive, 22.04 to 26.04: its public package lists have
linux-modules-nvidia-580-server-open-* for jammy, noble, questing and resolute, by kernel release
and by flavour (generic, generic-hwe-24.04, aws, azure, gcp, gcp-lts-22.04, gcp-6.17, nvidia, ...);
`ubuntu-drivers list --gpgpu` on 24.04 prints "nvidia-driver-580-server-open, (kernel modules
provided by linux-modules-nvidia-580-server-open-generic-hwe-24.04)". The server branch, because
only its packages work with the archive's nvidia-fabricmanager-580 (they conflict with the desktop
branch's). The headless package without DKMS, because its modules are built and signed, so that
Secure Boot accepts them; it is what `ubuntu-drivers install --gpgpu` picks.

NVIDIA's repository: "Driver Installation Guide" (docs.nvidia.com/datacenter/tesla/
driver-installation-guide), chapters Ubuntu, Debian and Version locking: cuda-keyring, nvidia-open,
and nvidia-driver-pinning-<branch> installed before it. The repository's file lists (repos/
ubuntu2404 and debian12) have nvidia-fabricmanager-570_570.172.08-1 and older with the branch in the
name, and nvidia-fabricmanager_580.65.06-1 and later without.
"""

from __future__ import annotations

REPOSITORY = "https://developer.download.nvidia.com/compute/cuda/repos"
KEYRING = "cuda-keyring"
NVIDIA = ("nvidia-open",)
# Packages of a driver of any route, as patterns for dpkg-query.
ANY = ("*nvidia*", "cuda-drivers*", "libcuda1")
# The same for unattended-upgrades, as regular expressions that match from the name's beginning.
ANY_EXPRESSIONS = (
    "nvidia",
    "libnvidia",
    "libcuda1$",
    "cuda-drivers",
    "linux-(modules|objects|signatures)-nvidia",
)


def ubuntu(branch: int) -> tuple[str, ...]:
    """Return the archive's packages without the modules; the last one has the driver's version."""
    return (f"nvidia-headless-no-dkms-{branch}-server-open", f"nvidia-utils-{branch}-server")


def ubuntu_modules(branch: int, kernel: str) -> str:
    """Return the package of signed modules for a kernel release, or for a flavour."""
    return f"linux-modules-nvidia-{branch}-server-open-{kernel}"


def repository(system: str, version: str) -> str:
    """Return the URL of NVIDIA's repository for a system such as `ubuntu`, version `24.04`."""
    return f"{REPOSITORY}/{system}{version.replace('.', '')}/x86_64"


def keyring(repository: str) -> str:
    """Return the URL of the package that adds a repository to apt."""
    return f"{repository}/{KEYRING}_1.1-1_all.deb"


def pinning(branch: int) -> str:
    """Return the package that pins NVIDIA's repository to one branch."""
    return f"nvidia-driver-pinning-{branch}"


def fabric(route: str, branch: int) -> tuple[str, ...]:
    """Return the names of the Fabric Manager's package for a branch."""
    named = f"nvidia-fabricmanager-{branch}"
    return (named,) if route == "ubuntu" else ("nvidia-fabricmanager", named)
