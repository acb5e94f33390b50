"""Gives a host's server a new API key."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import Final

from onecard.box import paths
from onecard.credentials import client_copies, secret_store
from onecard.credentials.secret import Secret
from onecard.deploy.console import DeployConsole
from onecard.deploy.deployment import restore_release
from onecard.deploy.startup_check import StartupCheck
from onecard.errors import UnhealthyError, UsageError
from onecard.inventory.host import Host
from onecard.resources.base import fields
from onecard.server.releases import current_release
from onecard.ssh.login import connected

API_KEY: Final = "api-key"  # its name among the secrets


def key_on_box(host: Host, known_hosts: Path) -> list[dict[str, str]]:
    """Return where the box stores its API key, without the key; empty where it has none."""
    look = f"stat -c 'mode=%a\nsince=%y' {paths.API_KEY} 2>/dev/null || true"
    with connected(host, known_hosts) as box:
        found = fields(box.session.run(look).output)
    if not found:
        return []
    place = f"box, {paths.API_KEY}, mode 0{found['mode']}, since {found['since'][:16]}"
    return [{"name": API_KEY, "host": host.name, "place": place}]


def rotate_key(host: Host, known_hosts: Path, console: DeployConsole) -> StartupCheck:
    """Give the server a new key, restart it and wait until it answers with that.

    The copies on this computer follow. Raises UsageError where an environment variable gives the
    key, UnhealthyError where no release is deployed or the server does not answer again.
    """
    stores = {each.place for each in secret_store.listed() if each.name == API_KEY}
    if "environment" in stores:
        variable = secret_store.NAMES[API_KEY]
        raise UsageError(f"{variable} gives the key: change it there, then run invoke deploy")
    stored = [k for k in secret_store.listed() if (k.name, k.host) == (API_KEY, host.name)]
    new = Secret(secrets.token_urlsafe(32))
    with connected(host, known_hosts) as box:
        current = current_release(box.session)
        if current is None or not current.installed:
            raise UnhealthyError(
                f"{host.name}: no release is deployed; the next invoke deploy generates the key"
            )
        host = replace(host, api_key=new)
        _, check = restore_release(
            box,
            host,
            console,
            command="secret rotate",
            release=current.number,
            fingerprint=current.fingerprint,
        )
    if error := check.error(host.name):
        raise error
    if stored:
        secret_store.store(API_KEY, host.name, new, keyring=stored[0].place == "keyring")
    if client_copies.key(host.name) is not None:  # the files that `tunnel` and `expose` named
        client_copies.save_key(host.name, new)
    return check
