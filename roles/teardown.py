"""A rental before its return: nothing that onecard installed is left.

Debian packages stay, since those installed before are not known; so does the NVIDIA driver with
its holds and blacklists. They contain no data of the user.
"""

from __future__ import annotations

from onecard.box import paths
from onecard.engine.job import FOLDER
from onecard.facts import Facts
from onecard.facts.places import NAMES, volume_folder
from onecard.facts.teardown import TeardownFacts
from onecard.inventory.host import Host
from onecard.resources.absent import NoPath, NoService
from onecard.resources.base import Resource
from onecard.resources.system.leftovers import (
    NoAccount,
    NoFilesOf,
    NoGpuMemory,
    NoListener,
    NoProcesses,
    NoSecretTraces,
)
from onecard.ssh.boot import HOLDER_FILE, LOCK_FILE
from roles import base, gateway, monitoring, own_role, ray, services, unexpose

# Wheels that pip and uv, run as root by `provision`, store there: gigabytes.
INSTALLER_CACHES = ("/root/.cache/pip", "/root/.cache/uv")
TOKENS = ("token", "stored_tokens")  # what the hub's client writes into its home


def desired(host: Host, facts: Facts, survey: TeardownFacts) -> tuple[Resource, ...]:
    """Return everything as absent, in an order in which nothing uses what is being removed."""
    ours = () if survey.uid is None else (NoFilesOf(survey.uid),)
    return (
        *own_role.absent(host, facts),
        *unexpose.desired(host, facts),
        *(monitoring.absent() if facts.machine.systemd else ()),
        *gateway.absent(),
        NoService(paths.UNIT),
        *ray.absent(),
        *services.absent(facts),
        NoProcesses(survey.uid),
        NoListener(survey.port, survey.uid),
        NoGpuMemory(survey.uid),
        *_volume(host, facts),
        NoPath(paths.ETC, wipe=("*",)),
        NoPath(paths.STATE, wipe=TOKENS),
        NoPath(paths.CACHE),
        NoPath(paths.HOME),
        *(NoPath(path) for path in INSTALLER_CACHES),
        NoPath(paths.SYSCTL),
        *ours,
        *(NoAccount(each.login, survey.uid) for each in base.account(host)),
        NoSecretTraces(survey.secrets),
    )


def _volume(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return what lies on a volume as absent; the usual places are links to it."""
    folder = volume_folder(host.settings.root, facts)
    if not folder:
        return ()
    return (
        NoPath(f"{folder}/{NAMES[paths.ETC]}", wipe=("*",)),
        NoPath(f"{folder}/{NAMES[paths.STATE]}", wipe=TOKENS),
        NoPath(f"{folder}/{NAMES[paths.CACHE]}"),
        NoPath(f"{folder}/{NAMES[paths.HOME]}"),
        NoPath(folder),
    )


def run_files() -> tuple[NoPath, ...]:
    """Return the files that a run leaves, this one included, as absent."""
    return NoPath(FOLDER), NoPath(LOCK_FILE), NoPath(HOLDER_FILE)
