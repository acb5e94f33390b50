"""`invoke secret set|list|rotate|forget`. Names and places are shown, values never."""

from __future__ import annotations

import getpass
import secrets
import sys
from dataclasses import asdict, replace

from onecard import cli, kept, layout, releases, secret_store
from onecard.connect import connected
from onecard.console import progress_console
from onecard.deployment import bring_into_force
from onecard.errors import UnhealthyError, UsageError
from onecard.facts import Facts
from onecard.host import Host
from onecard.plan import RolePlan
from onecard.resources.base import fields
from onecard.runs.usual import Usual
from onecard.secret import Secret
from onecard.trial_console import TrialConsole
from roles import serve

ACTIONS = ("set", "list", "rotate", "forget")
API_KEY = "api-key"


def secret(action: str, name: str, requested: str, *, keyring: bool, as_json: bool) -> int:
    """Do one of ACTIONS. Raises UsageError for another."""
    if action not in ACTIONS:
        raise UsageError(f"secret: there is no {action!r}; there are: {', '.join(ACTIONS)}")
    if action == "list":
        return _list(requested, as_json=as_json)
    if action == "rotate":
        return _rotate(name, requested, as_json=as_json)
    if not name:
        raise UsageError(f"--name: say which secret; there are: {', '.join(secret_store.NAMES)}")
    owner = cli.chosen_host(requested).name if requested else secret_store.EVERY_HOST
    if action == "forget":
        known = secret_store.forget(name, owner)
        if as_json:
            cli.print_json({"name": name, "host": owner, "forgotten": known})
        else:
            print(f"{name} for {owner}: {'forgotten' if known else 'nothing was kept'}")
        return 0
    now = secret_store.keep(name, owner, _ask(name), keyring=keyring)
    if as_json:
        cli.print_json(asdict(now))
    else:
        print(f"{name} for {owner}: kept in the {now.place}{_what_next(name)}")
    return 0


def _ask(name: str) -> Secret:
    """Return what is typed unseen at the prompt, or the one line of standard input."""
    if sys.stdin.isatty():
        return Secret(getpass.getpass(f"{name}: ").strip())
    return Secret(sys.stdin.readline().strip())


def _what_next(name: str) -> str:
    return "; it comes into force with the next invoke deploy" if name == API_KEY else ""


def _list(requested: str, *, as_json: bool) -> int:
    rows = [asdict(each) for each in secret_store.listed()]
    if requested:
        host = cli.chosen_host(requested)
        rows += [row for row in _on_the_box(host) if row]
    if as_json:
        cli.print_json({"secrets": rows})
    elif not rows:
        print("no secret is kept; invoke secret set --name hf-token keeps one")
    else:
        for row in rows:
            print(f"{row['name']:<10}{row['host']:<16}{row['place']}")
    return 0


def _on_the_box(host: Host) -> list[dict[str, str]]:
    look = f"stat -c 'mode=%a\nsince=%y' {layout.API_KEY} 2>/dev/null || true"
    with connected(host, cli.known_hosts()) as box:
        told = fields(box.session.run(look).output)
    if not told:
        return []
    place = f"box, {layout.API_KEY}, mode 0{told['mode']}, since {told['since'][:16]}"
    return [{"name": API_KEY, "host": host.name, "place": place}]


def _rotate(name: str, requested: str, *, as_json: bool) -> int:
    """Give a host's server a new key, restart it and see it answer with that."""
    if name not in ("", API_KEY):
        raise UsageError(f"--name: {API_KEY} alone can be rotated here; set a new {name} instead")
    host = cli.chosen_host(requested)
    places = {each.place for each in secret_store.listed() if each.name == API_KEY}
    if "environment" in places:
        variable = secret_store.NAMES[API_KEY]
        raise UsageError(f"{variable} gives the key: change it there, then run invoke deploy")
    stored = [k for k in secret_store.listed() if (k.name, k.host) == (API_KEY, host.name)]
    new = Secret(secrets.token_urlsafe(32))
    shown = TrialConsole(progress_console(), host.name, usual=Usual(host))
    with connected(host, cli.known_hosts()) as box:
        found = releases.list_releases(box.session)
        current = next((each for each in found if each.current and each.installed), None)
        if current is None:
            raise UnhealthyError(
                f"{host.name}: no release is in force; its key is drawn at the next invoke deploy"
            )

        def wanted(host: Host, facts: Facts) -> tuple[RolePlan, ...]:
            again = serve.again(host, current.number, current.fingerprint)
            return (RolePlan("serve", again),)

        bring_into_force(box, replace(host, api_key=new), wanted, "secret rotate", shown)
    assert shown.trial is not None  # another key always differs
    if not shown.trial.first.answered:
        raise shown.trial.error(host.name)
    if stored:
        secret_store.keep(API_KEY, host.name, new, keyring=stored[0].place == "keyring")
    if kept.key(host.name) is not None:  # what `tunnel` and `expose` told the user to read
        kept.keep_key(host.name, new)
    if as_json:
        cli.print_json({"host": host.name, "status": "changed", **shown.trial.to_json()})
    else:
        print(f"{host.name}: the server answers with its new key; the one before is refused")
    return 0
