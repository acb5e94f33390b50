"""The system under the server: packages, the service's account, its folders."""

from __future__ import annotations

from onecard.box import paths
from onecard.facts import Facts
from onecard.facts.places import NAMES, volume_folder
from onecard.inventory.host import Host
from onecard.resources.apt.dpkg import DpkgFinished
from onecard.resources.apt.packages import AptPackages
from onecard.resources.base import Resource
from onecard.resources.files.file import Directory, Link
from onecard.resources.files.volume import VolumeFolder
from onecard.resources.skipped import Skipped
from onecard.resources.system.kernel import Sysctl
from onecard.resources.system.user import User
from roles import driver, model

# What every server needs. python3-dev: Triton compiles a C file that includes Python.h at the
# server's first start.
PACKAGES = (
    "git",
    "wget",
    "curl",
    "build-essential",
    "python3",
    "python3-pip",
    "python3-venv",
    "python3-dev",
)
CPU_PACKAGES = ("libnuma1",)  # vLLM's CPU worker binds its memory with it


def system(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return packages, account, folders and kernel settings."""
    settings = host.settings
    extra = CPU_PACKAGES if settings.accelerator == "cpu" else ()
    # A slim image may lack the programs that make accounts.
    accounts = () if facts.machine.can("accounts") else ("passwd",)
    # uvicorn listens with a backlog of 2048, which an older kernel's 128 silently limits.
    sysctl = Sysctl((("net.core.somaxconn", "4096"),))
    volume = volume_folder(settings.root, facts)
    own = (settings.user, settings.user, 0o700)
    return (
        AptPackages(tuple(dict.fromkeys((*PACKAGES, *accounts, *extra, *settings.packages)))),
        *((VolumeFolder(volume, owners=bool(account(host))), *links(volume)) if volume else ()),
        *account(host),
        Directory(_place(paths.HOME, volume)),
        Directory(_place(paths.ETC, volume)),
        Directory(_place(paths.STATE, volume), *own),
        Directory(_place(paths.CACHE, volume), *own),
        Directory(paths.MODELS),
        sysctl if facts.machine.can("sysctl") else Skipped(sysctl.name, "container"),
    )


def account(host: Host) -> tuple[User, ...]:
    """Return the account that the server runs as; none where that is root."""
    user = host.settings.user
    return () if user == "root" else (User(user, home=paths.STATE),)


def links(volume: str) -> tuple[Link, ...]:
    """Return the usual places as links to a folder on a volume, so that all paths stay valid."""
    return tuple(Link(path, f"{volume}/{name}") for path, name in NAMES.items() if volume)


def _place(path: str, volume: str) -> str:
    return f"{volume}/{NAMES[path]}" if volume else path


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the system's resources; first the checks that the driver and model are available."""
    packages, *others = system(host, facts)
    access = model.access(host)
    return (
        # Missing packages and models are reported before anything is changed. The access check of
        # the model is a Python program: on a box without Python it runs once that is installed.
        *driver.availability(host, facts),
        *((DpkgFinished(),) if facts.packages.interrupted else ()),
        *((*access, packages) if facts.python.version else (packages, *access)),
        *others,
    )
