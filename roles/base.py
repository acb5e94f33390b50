"""The system under the server: packages, the service's account, its folders."""

from __future__ import annotations

from onecard import layout
from onecard.facts import Facts
from onecard.host import Host
from onecard.resources.apt import AptPackages
from onecard.resources.base import Resource
from onecard.resources.files import Directory
from onecard.resources.kernel import Sysctl
from onecard.resources.user import User
from roles import driver, model

# What every walk-through installs first. python3-dev is the one that is forgotten: Triton compiles
# a C file that includes Python.h at the server's first start.
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


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the packages, account and folders for any vLLM server; first, whether the model is to
    be had at all."""
    settings = host.settings
    extra = CPU_PACKAGES if settings.accelerator == "cpu" else ()
    packages = AptPackages(tuple(dict.fromkeys((*PACKAGES, *extra, *settings.packages))))
    asked = model.question(host)
    return (
        # What cannot be had is better known before anything is changed. The question about the
        # model is a Python program: a box without one is asked as soon as it has it.
        *driver.offered(host, facts),
        *((*asked, packages) if facts.python.version else (packages, *asked)),
        User(settings.user, home=layout.STATE),
        Directory(layout.HOME),
        Directory(layout.ETC),
        Directory(layout.MODELS),
        Directory(layout.STATE, settings.user, settings.user, 0o700),
        Directory(layout.CACHE, settings.user, settings.user, 0o700),
        # uvicorn listens with a backlog of 2048, which an older kernel's 128 cuts without a word.
        Sysctl((("net.core.somaxconn", "4096"),)),
    )
