"""`invoke secret set|list|rotate|forget`. Names and places are shown, values never."""

from __future__ import annotations

import getpass
import sys
from dataclasses import asdict

from onecard.cli import targets
from onecard.cli.output import print_json
from onecard.credentials import secret_store
from onecard.credentials.secret import Secret
from onecard.deploy.console import deploy_console
from onecard.deploy.key_rotation import API_KEY, key_on_box, rotate_key
from onecard.errors import UsageError

ACTIONS = ("set", "list", "rotate", "forget")


def secret(action: str, name: str, requested: str, *, keyring: bool, as_json: bool) -> int:
    """Do one of ACTIONS. Raises UsageError for another."""
    if action not in ACTIONS:
        raise UsageError(f"secret: there is no {action!r}; there are: {', '.join(ACTIONS)}")
    if action == "list":
        return _list(requested, as_json=as_json)
    if action == "rotate":
        return _rotate(name, requested, as_json=as_json)
    if not name:
        raise UsageError(f"--name: which secret? there are: {', '.join(secret_store.NAMES)}")
    owner = targets.chosen_host(requested).name if requested else secret_store.EVERY_HOST
    if action == "forget":
        known = secret_store.remove(name, owner)
        if as_json:
            print_json({"name": name, "host": owner, "forgotten": known})
        else:
            print(f"{name} for {owner}: {'forgotten' if known else 'nothing was stored'}")
        return 0
    now = secret_store.store(name, owner, _read_value(name), keyring=keyring)
    if as_json:
        print_json(asdict(now))
    else:
        print(f"{name} for {owner}: stored in the {now.place}{_what_next(name)}")
    return 0


def _read_value(name: str) -> Secret:
    """Return what is typed without echo at the prompt, or the one line of standard input."""
    if sys.stdin.isatty():
        return Secret(getpass.getpass(f"{name}: ").strip())
    return Secret(sys.stdin.readline().strip())


def _what_next(name: str) -> str:
    return "; the next invoke deploy applies it" if name == API_KEY else ""


def _list(requested: str, *, as_json: bool) -> int:
    rows = [asdict(each) for each in secret_store.listed()]
    if requested:
        host = targets.chosen_host(requested)
        rows += key_on_box(host, targets.known_hosts())
    if as_json:
        print_json({"secrets": rows})
    elif not rows:
        print("no secret is stored; to store one: invoke secret set --name hf-token")
    else:
        for row in rows:
            print(f"{row['name']:<10}{row['host']:<16}{row['place']}")
    return 0


def _rotate(name: str, requested: str, *, as_json: bool) -> int:
    """Give a host's server a new key, restart it and wait until it answers with that."""
    if name not in ("", API_KEY):
        raise UsageError(f"--name: {API_KEY} alone can be rotated here; set a new {name} instead")
    host = targets.chosen_host(requested)
    console = deploy_console(host)
    check = rotate_key(host, targets.known_hosts(), console)
    if as_json:
        print_json({"host": host.name, "status": "changed", **check.to_json()})
    else:
        print(f"{host.name}: the server answers with its new key; the one before is refused")
    return 0
