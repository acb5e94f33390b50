"""The keys that `ssh` would offer: files with their tokens expanded, and which agent."""

from __future__ import annotations

import getpass
import os
import re
import socket
from pathlib import Path

from onecard.ssh.openssh import client
from onecard.ssh.openssh.route import Route

_TOKEN = re.compile(r"%(.)|\$\{(\w+)\}")


class TokenError(Exception):
    """A token that only ssh itself can expand."""


def expand(text: str, route: Route) -> str:
    """Return a text of the ssh configuration with its tokens and variables expanded.

    Tokens: ssh_config(5). Raises TokenError for one that is not known here.
    """
    local = socket.gethostname()
    tokens = {
        "%": "%",
        "d": str(Path.home()),
        "h": route.address,
        "i": str(os.getuid()),
        "j": route.via[-1].wanted.alias if route.via else "",
        "k": route.one("hostkeyalias") or route.wanted.alias,
        "L": local.partition(".")[0],
        "l": local,
        "n": route.wanted.alias,
        "p": str(route.port),
        "r": route.user,
        "u": getpass.getuser(),
    }

    def value(match: re.Match[str]) -> str:
        found = tokens.get(match[1]) if match[1] else os.environ.get(match[2])
        if found is None:
            raise TokenError(match[0])
        return found

    return _TOKEN.sub(value, text)


def key_files(route: Route) -> list[Path]:
    """Return the route's IdentityFiles, in order, whether they exist or not. Raises TokenError."""
    named = (name for name in route.options.get("identityfile", ()) if name != "none")
    return [Path(expand(name, route)).expanduser() for name in named]


def existing(route: Route) -> list[Path]:
    """Return those IdentityFiles that exist. Raises TokenError."""
    return [path for path in key_files(route) if path.is_file()]


def agent(route: Route) -> str | None:
    """Return the socket of the agent to use, "" for none, None for one that only ssh can name."""
    named = next(iter(route.options.get("identityagent", ())), "SSH_AUTH_SOCK")
    if named == "none":
        return ""
    if named.startswith("$") and not named.startswith("${"):
        return os.environ.get(named[1:], "")
    if named == "SSH_AUTH_SOCK":
        return os.environ.get(named, "")
    try:
        return str(client.at_home(expand(named, route)))
    except TokenError:
        return None
