"""The inventory's keys that say how to reach a host: our short names and Ansible's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from onecard.settings.connection import CONNECT_TIMEOUT, Connection
from onecard.settings.setting_model import Model, Port
from onecard.settings.setting_texts import LocalPath, SshHops, SshHost, SshUser, TimeSpan
from onecard.settings.ssh_arguments import SshArgumentText, read_arguments

Seconds = Annotated[float, Field(gt=0, le=1e9)]


# Ansible's words for them (ansible-core, module_utils/parsing/convert_bool.py).
_SWITCH: Final = dict.fromkeys(("y", "yes", "on", "1", "true", "t"), True) | dict.fromkeys(
    ("n", "no", "off", "0", "false", "f"), False
)


def _switch(value: Any) -> Any:
    return _SWITCH.get(str(value).lower(), value) if isinstance(value, (str, int)) else value


class ConnectionKeys(Model):
    """The connection keys of one block, or of all blocks merged; each may be absent.

    Leading dashes, blanks and shell metacharacters are refused in what may become a word of an
    ssh command line.
    """

    address: SshHost = ""
    """host name or IP address; empty for the host's name in the inventory"""
    port: Port | None = None
    """null for the one in ~/.ssh/config, or 22"""
    user: SshUser = ""
    """the login; empty for the one in ~/.ssh/config, or your own"""
    key_file: LocalPath | None = None
    """the private key; relative to the project"""
    proxy_jump: SshHops = ""
    """user@address[:port], several with commas between"""
    ssh_args: SshArgumentText = ""
    """options of ssh, such as -o ProxyJump=HOST; the keys above win over them"""
    ssh_common_args: SshArgumentText = ""
    """further options of ssh; Ansible has three places for them"""
    ssh_extra_args: SshArgumentText = ""
    """further options of ssh"""
    become: Annotated[bool, BeforeValidator(_switch)] = True
    """use sudo where the login is not root"""
    connect_timeout: Seconds = CONNECT_TIMEOUT
    """seconds until the box must have answered the connection"""
    command_timeout: Seconds = 3600.0
    """seconds that a command may run"""
    idle_timeout: Seconds = 900.0
    """seconds that a command may print nothing"""
    keep_connection: TimeSpan = ""
    """how long ssh keeps an unused connection open for the next command, such as 5m; empty: not"""

    def from_arguments(self) -> tuple[dict[str, tuple[Any, str]], tuple[str, ...]]:
        """Return what the arguments of ssh set where no key does.

        Returns connection key -> (value, the field of the arguments), and the other options as
        `Name=value`.
        """
        keys: dict[str, tuple[Any, str]] = {}
        others: list[str] = []
        for name in ARGUMENTS:
            found = read_arguments(getattr(self, name))
            for key, value in found.keys.items():
                if not getattr(self, key) or key not in self.model_fields_set:
                    keys.setdefault(key, (value, name))
            others += found.options
        return keys, tuple(others)

    def connection(self, name: str, project: Path) -> Connection:
        """Return the connection of the host `name`; a relative key file starts at `project`."""
        set_in_arguments, options = self.from_arguments()
        values = {key: getattr(self, key) for key in NAMES.difference(ARGUMENTS)}
        values |= {key: value for key, (value, _) in set_in_arguments.items()}
        key_file = values.pop("key_file")
        return Connection(
            **{**values, "address": values["address"] or name},
            key_file=project / Path(key_file).expanduser() if key_file else None,
            ssh_options=options,
        )


ARGUMENTS: Final = ("ssh_args", "ssh_common_args", "ssh_extra_args")
NAMES: Final = frozenset(ConnectionKeys.model_fields)
