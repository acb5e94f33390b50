"""Trust in host keys: shown, confirmed, stored as those to expect."""

from __future__ import annotations

from pathlib import Path

from onecard.errors import HostKeyError, OnecardError, UnreachableError
from onecard.inventory.host import Host
from onecard.ssh import fabric_connection
from onecard.ssh.errors import translated
from onecard.ssh.fabric_connection import new_connection, offer_key_file, verify_host_key
from onecard.ssh.host_keys import (
    HostKey,
    HostKeyBook,
    UnknownHostKey,
    VerifyByBook,
    host_key_book,
    save_host_key,
)
from onecard.ssh.openssh.proxy import described, failure
from onecard.ssh.openssh.route import Route, resolve
from onecard.ssh.prompts import Prompts


def confirm_host_key(
    host: Host, host_key: HostKey, known_hosts: Path, route: Route, prompts: Prompts
) -> None:
    """Store an unknown key after a yes at the prompt. Raises HostKeyError without one."""
    question = (
        f"{host.name} ({host_key.name}) shows an unknown host key:\n"
        f"  {host_key.fingerprint}\nTrust it and continue?"
    )
    # With StrictHostKeyChecking yes, ssh does not offer to store one either.
    if route.one("stricthostkeychecking") in ("true", "yes") or not prompts.confirm(question):
        raise HostKeyError(
            f"{host.name}: unknown host key {host_key.fingerprint}; compare it with your "
            f"provider's console, then: invoke trust --host {host.name}"
        )
    save_host_key(known_hosts, host_key)


def shown_host_key(host: Host, known_hosts: Path, route: Route | None = None) -> HostKey:
    """Return the key that the host shows now, without logging in.

    route: the way to the host, or to one of its jump hosts; hops on it must be known already.
    Raises as Door.connect does.
    """
    route = route or resolve(host)
    with translated(host.name):
        connection = new_connection(host, route, known_hosts)
        offer_key_file(host, connection)
        verify_host_key(connection, route, known_hosts, store=False)
        empty = HostKeyBook(route.host_key_name)
        connection.client.set_missing_host_key_policy(VerifyByBook(empty))
        try:
            connection.open()
        except UnknownHostKey as unknown:
            return unknown.host_key
        except Exception as error:
            output = fabric_connection.error_output(connection)
            if output and not isinstance(error, OnecardError):
                raise failure(host.name, described(route), output) from error
            raise
        finally:
            fabric_connection.close(connection)
        raise UnreachableError(f"{host.name}: the host showed no key")


def known_host_keys(host: Host, known_hosts: Path, route: Route | None = None) -> list[HostKey]:
    """Return the keys stored for a host in the project's known_hosts, else in the user's."""
    return list(host_key_book(route or resolve(host), known_hosts).keys)


def trust_hops(host: Host, known_hosts: Path) -> list[HostKey]:
    """Store the keys of the host's jump hosts that are not known yet, and return them.

    They are stored first hop first: a key is seen through the hops before it. One that has changed
    is left to the login, which refuses it.
    """
    stored = []
    for hop in resolve(host).via:
        if host_key_book(hop, known_hosts).state == "unknown":
            stored.append(shown_host_key(host, known_hosts, hop))
            save_host_key(known_hosts, stored[-1])
    return stored


def trust_host(host: Host, known_hosts: Path, *, replace: bool) -> tuple[HostKey, bool]:
    """Return the key that the host shows, stored, and whether it was stored before.

    replace: store it in place of another one. Raises HostKeyError for a changed key without it.
    """
    shown = shown_host_key(host, known_hosts)
    known = known_host_keys(host, known_hosts)
    if any(each.key == shown.key for each in known):
        return shown, True
    if known and not replace:
        raise HostKeyError(
            f"{host.name}: the host key has changed: expected {known[0].fingerprint}, the box "
            f"shows {shown.fingerprint}. If the box was rebuilt: invoke trust --host "
            f"{host.name} --replace"
        )
    save_host_key(known_hosts, shown)
    return shown, False
