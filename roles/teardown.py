"""A rental on its way back: nothing that onecard brought is left.

Debian packages stay, for nobody noted which of them were there before; so does the NVIDIA driver
with its holds and blacklists. They hold nothing of the user's.
"""

from __future__ import annotations

from onecard import layout
from onecard.facts import Facts
from onecard.host import Host
from onecard.job import FOLDER
from onecard.resources.absent import Gone, NoService
from onecard.resources.base import Resource
from onecard.resources.leftovers import (
    NoAccount,
    NoFilesOf,
    NoGpuMemory,
    NoListener,
    NoProcesses,
    NoSecretTraces,
)
from onecard.session import HOLDER_FILE, LOCK_FILE
from onecard.survey import Survey
from roles import unexpose

# Wheels that pip and uv, run as root by `provision`, keep there: gigabytes.
INSTALLER_CACHES = ("/root/.cache/pip", "/root/.cache/uv")
TOKENS = ("token", "stored_tokens")  # what the hub's client writes into its home


def desired(host: Host, facts: Facts, survey: Survey) -> tuple[Resource, ...]:
    """Return everything as gone, in an order in which nothing uses what is being removed."""
    ours = () if survey.uid is None else (NoFilesOf(survey.uid),)
    return (
        *unexpose.desired(host, facts),
        NoService(layout.UNIT),
        NoProcesses(survey.uid),
        NoListener(survey.port, survey.uid),
        NoGpuMemory(survey.uid),
        Gone(layout.ETC, wipe=("*",)),
        Gone(layout.STATE, wipe=TOKENS),
        Gone(layout.CACHE),
        Gone(layout.HOME),
        *(Gone(path) for path in INSTALLER_CACHES),
        Gone(layout.SYSCTL),
        *ours,
        NoAccount(host.settings.user, survey.uid),
        NoSecretTraces(survey.secrets),
    )


def run_files() -> tuple[Gone, ...]:
    """Return what a run itself leaves, this one too, as gone."""
    return Gone(FOLDER), Gone(LOCK_FILE), Gone(HOLDER_FILE)
