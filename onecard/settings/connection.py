"""How to reach a host: address, login and timeouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

CONNECT_TIMEOUT: Final = 15.0  # s, where neither the inventory nor ~/.ssh/config says another


@dataclass(frozen=True)
class Connection:
    """How to reach a host. An empty value leaves the choice to `~/.ssh/config` and its defaults.

    address: name or address, or an alias in `~/.ssh/config`.
    key_file: private key to offer beside the agent's and the user's own.
    key_file_setting: where it is set, as `file: path.to.key`.
    sources: where each value that is set is from, in the same form, by its name here.
    proxy_jump: `user@address[:port]`, several separated by commas.
    ssh_options: further options of ssh, `Name=value` as `ssh -o` takes them, such as ProxyCommand.
    become: run as root through sudo when the login is not root.
    connect_timeout, command_timeout, idle_timeout: seconds. A connection fails when the
        box does not respond for `connect_timeout` (after the login: at least 15 s); a command
        fails when it prints nothing for `idle_timeout` or runs longer than `command_timeout`.
    keep_connection: how long an unused connection stays open for the next command, as ssh's
        ControlPersist takes it; empty for not at all.
    """

    address: str
    port: int | None = None
    user: str = ""
    key_file: Path | None = None
    key_file_setting: str = "key_file"
    proxy_jump: str = ""
    ssh_options: tuple[str, ...] = ()
    become: bool = True
    connect_timeout: float = CONNECT_TIMEOUT
    command_timeout: float = 3600.0
    idle_timeout: float = 900.0
    keep_connection: str = ""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
