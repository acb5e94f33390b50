"""The inventory's keys that say how to reach a host: our short names and Ansible's."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field

from onecard.host import Connection
from onecard.settings import Model, Port

if TYPE_CHECKING:
    from collections.abc import Mapping

Seconds = Annotated[float, Field(gt=0)]


class ConnectionKeys(Model):
    """The connection keys of one block, or of all blocks merged; each may be absent.

    A leading dash or a blank is refused in what may become a word of an ssh command line.
    """

    address: Annotated[str, Field(pattern=r"^[^\s@-][^\s@]*$")] = ""
    port: Port | None = None
    user: Annotated[str, Field(pattern=r"^([^\s-]\S*)?$")] = ""
    key_file: str | None = None
    proxy_jump: Annotated[str, Field(pattern=r"^([^\s-]\S*)?$")] = ""
    become: bool = True
    connect_timeout: Seconds = 15.0
    command_timeout: Seconds = 3600.0
    idle_timeout: Seconds = 900.0

    def connection(self, name: str, project: Path) -> Connection:
        """Return the connection of the host `name`; a relative key file starts at `project`."""
        key_file = project / Path(self.key_file).expanduser() if self.key_file else None
        return Connection(
            address=self.address or name,
            port=self.port,
            user=self.user,
            key_file=key_file,
            proxy_jump=self.proxy_jump,
            become=self.become,
            connect_timeout=self.connect_timeout,
            command_timeout=self.command_timeout,
            idle_timeout=self.idle_timeout,
        )


NAMES: Final = frozenset(ConnectionKeys.model_fields)

# Ansible's names, from the documentation of its ssh and paramiko connection plugins.
ANSIBLE: Final = {
    "ansible_host": "address",
    "ansible_ssh_host": "address",
    "ansible_port": "port",
    "ansible_ssh_port": "port",
    "ansible_user": "user",
    "ansible_ssh_user": "user",
    "ansible_private_key_file": "key_file",
    "ansible_ssh_private_key_file": "key_file",
    "ansible_become": "become",
    "ansible_timeout": "connect_timeout",
    "ansible_ssh_timeout": "connect_timeout",
    "ansible_ssh_common_args": "proxy_jump",
    "ansible_ssh_extra_args": "proxy_jump",
}
_SSH_ARGUMENTS = {"ansible_ssh_common_args", "ansible_ssh_extra_args"}

# Accepted, since another tool may need them, where they ask for what onecard does anyway.
_HARMLESS: Final[dict[str, tuple[str, ...] | None]] = {
    "ansible_connection": ("ssh", "paramiko", "paramiko_ssh", "smart"),
    "ansible_become_method": ("sudo", "ansible.builtin.sudo"),
    "ansible_become_user": ("root",),
    "ansible_python_interpreter": None,
}

_PASSWORDS: Final = {
    "ansible_password": "ONECARD_SSH_PASSWORD",
    "ansible_ssh_pass": "ONECARD_SSH_PASSWORD",
    "ansible_ssh_password": "ONECARD_SSH_PASSWORD",
    "password": "ONECARD_SSH_PASSWORD",
    "ssh_password": "ONECARD_SSH_PASSWORD",
    "ansible_become_pass": "ONECARD_SUDO_PASSWORD",
    "ansible_become_password": "ONECARD_SUDO_PASSWORD",
    "ansible_sudo_pass": "ONECARD_SUDO_PASSWORD",
    "become_password": "ONECARD_SUDO_PASSWORD",
    "sudo_password": "ONECARD_SUDO_PASSWORD",
}

ALL_NAMES: Final = (*sorted(NAMES), *ANSIBLE, *_HARMLESS)


def rename(
    values: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, str], list[tuple[str, str]]]:
    """Give Ansible's keys our names; leave every other key as it is.

    Returns the values by our names, the key as written for each of our names, and what is wrong as
    (key as written, words).
    """
    renamed: dict[str, Any] = {}
    written: dict[str, str] = {}
    problems: list[tuple[str, str]] = []
    for key, value in values.items():
        words = _refusal(key, value)
        if words:
            problems.append((key, words))
            continue
        if key in _HARMLESS:
            continue
        name = ANSIBLE.get(key, key)
        if key in _SSH_ARGUMENTS:
            jump = _jump(value)
            if jump is None:
                problems.append((key, "only `-J HOST` or `-o ProxyJump=HOST` is understood here"))
                continue
            value = jump  # noqa: PLW2901
        if name in renamed and renamed[name] != value:
            problems.append((key, f"differs from {written[name]}, which says the same; keep one"))
            continue
        renamed[name] = value
        written[name] = key
    return renamed, written, problems


def _refusal(key: str, value: object) -> str:
    if key in _PASSWORDS:
        return (
            "passwords are never kept in files; you are asked at the prompt, "
            f"or set {_PASSWORDS[key]} in the environment"
        )
    if key == "ansible_group_priority":
        return "is read only from a group's vars in hosts.yml, as a whole number"
    allowed = _HARMLESS.get(key)
    if allowed and value not in allowed:
        return f"only {', '.join(allowed)} can be done here"
    return ""


def _jump(arguments: object) -> str | None:
    """Return the jump host in ssh arguments, "" for no arguments, None for anything else."""
    if not isinstance(arguments, str):
        return None
    try:
        words = shlex.split(arguments)
    except ValueError:
        return None
    if not words:
        return ""
    option, rest = words[0][:2], [words[0][2:], *words[1:]] if words[0][2:] else words[1:]
    if len(rest) != 1 or not rest[0]:
        return None
    if option == "-J":
        return rest[0]
    name, _, host = rest[0].replace("=", " ", 1).partition(" ")
    return host.strip() or None if option == "-o" and name.lower() == "proxyjump" else None
