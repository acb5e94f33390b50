"""Arguments of ssh as Ansible's inventories hold them (`ansible_ssh_common_args` and the like)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from pydantic import AfterValidator, TypeAdapter, ValidationError

from onecard.settings.setting_model import Port
from onecard.settings.setting_texts import LocalPath, SshHops, SshHost, SshUser, one_line

# ssh's own letters (ssh(1)). A letter in _SILENT changes nothing that onecard does.
_SILENT: Final = frozenset("ACaGgKkMNnqsTtVvXxYy")
_OPTION_OF: Final = {
    "J": "ProxyJump", "p": "Port", "l": "User", "i": "IdentityFile", "b": "BindAddress",
    "c": "Ciphers", "m": "MACs", "I": "PKCS11Provider", "B": "BindInterface", "S": "ControlPath",
}  # fmt: skip
_FAMILY: Final = {"4": "AddressFamily=inet", "6": "AddressFamily=inet6"}
# Sharing of connections, terminals and forwarding: onecard decides them itself.
_IGNORED: Final = frozenset(
    (
        "controlmaster", "controlpath", "controlpersist", "compression", "forwardagent",
        "forwardx11", "requesttty", "loglevel", "batchmode",
    )
)  # fmt: skip
_KEY_OF: Final = {
    "proxyjump": "proxy_jump",
    "port": "port",
    "user": "user",
    "identityfile": "key_file",
    "hostname": "address",
    "connecttimeout": "connect_timeout",
}
_KINDS: Final[dict[str, Any]] = {
    "proxy_jump": SshHops,
    "port": Port,
    "user": SshUser,
    "key_file": LocalPath,
    "address": SshHost,
    "connect_timeout": Annotated[float, AfterValidator(float)],
}


@dataclass
class SshArguments:
    """keys: connection keys by name, such as `proxy_jump`. options: the rest, `Name=value`."""

    keys: dict[str, Any] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)


def read_arguments(text: str) -> SshArguments:
    """Read arguments of ssh; as in ssh, the first value of an option counts.

    Raises ValueError for an argument that onecard cannot follow, such as another config file.
    """
    found = SshArguments()
    names: set[str] = set()
    for option in _options(one_line(text)):
        name, _, value = option.replace("=", " ", 1).partition(" ")
        name, value = name.strip(), value.strip().removeprefix("=").strip()
        if not name or not value:
            raise ValueError(f'"{option}" is not an option of ssh such as ProxyJump=HOST')
        low = name.lower()
        if low in _IGNORED or low in names:
            continue
        names.add(low)
        key = _KEY_OF.get(low)
        if key is None:
            found.options.append(f"{name}={value}")
            continue
        plain = "" if key == "proxy_jump" and value.lower() == "none" else value.strip('"')
        try:
            found.keys[key] = TypeAdapter(_KINDS[key]).validate_python(plain)
        except ValidationError:
            raise ValueError(f"{name}={value} is not what ssh accepts there") from None
    return found


def _options(text: str) -> Iterator[str]:
    """Yield each option as `Name=value`."""
    try:
        words = iter(shlex.split(text))
    except ValueError:
        raise ValueError("a quote is not closed") from None
    for word in words:
        if not word.startswith("-") or len(word) < 2:
            raise ValueError(f'"{word}" is not an option of ssh')
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in _SILENT:
                continue
            if letter in _FAMILY:
                yield _FAMILY[letter]
                continue
            if letter != "o" and letter not in _OPTION_OF:
                raise ValueError(f"-{letter} is not supported here; write it in ~/.ssh/config")
            value = letters or next(words, "")
            if not value:
                raise ValueError(f"-{letter} needs a value")
            yield value if letter == "o" else f"{_OPTION_OF[letter]}={value}"
            break


def _checked(value: str) -> str:
    read_arguments(value)
    return value


SshArgumentText = Annotated[str, AfterValidator(_checked)]
"""The type of a setting that holds arguments of ssh."""
