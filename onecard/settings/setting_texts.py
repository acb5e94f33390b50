"""The types of text in settings, each with what it may contain.

Settings are written into files and command lines on a box, where quoting.py quotes them; these
checks come first. Every text is one line: no valid value has a control character.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator

from onecard.templates.quoting import is_one_line

LONGEST: Final = 4096  # a path's, PATH_MAX
LONGEST_ARGUMENT: Final = 65_536  # half of what the kernel takes as one (MAX_ARG_STRLEN)
_LONGEST_NAME: Final = 256


def one_line(value: str, longest: int = LONGEST) -> str:
    """Return the value if it is printable text. Raises ValueError otherwise, or if it is longer."""
    if not is_one_line(value):
        raise ValueError("holds a control character or a line break; write one line of plain text")
    if len(value) > longest:
        raise ValueError(f"has more than {longest:,} characters")
    return value


def _matches(pattern: str, message: str) -> AfterValidator:
    """Return a validator. pattern: of the whole text. message: the error for any other text."""
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not compiled.fullmatch(one_line(value)):
            raise ValueError(message)
        return value

    return AfterValidator(check)


def _requirement(value: str) -> str:
    # Rarely set, and slow to load.
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415

    try:
        Requirement(one_line(value))
    except InvalidRequirement:
        raise ValueError("is not a requirement such as openai==2.1.0") from None
    return value


def _address_or_path(value: str) -> str:
    one_line(value)
    try:
        found = urlsplit(value)
        address = found.scheme in ("http", "https") and bool(found.hostname)
    except ValueError:
        address = False
    plain = not re.search(r"[\s'\"\\<>]", value)
    if not value or value.startswith(("/", "file:///")) or (address and plain):
        return value
    raise ValueError(
        "is neither an address such as https://mirror.example/simple nor a folder beginning with /"
    )


def _web_address(value: str) -> str:
    if value.startswith(("/", "file:")):
        raise ValueError("is not an address such as https://mirror.example")
    return _address_or_path(value)


def _name(value: str) -> str:
    one_line(value, _LONGEST_NAME)
    if value.startswith("-") or value != value.strip():
        raise ValueError("begins with a dash, or begins or ends with a blank")
    return value


def _local_path(value: str) -> str:
    try:
        Path(one_line(value)).expanduser()
    except RuntimeError:
        raise ValueError("names the home of an account that does not exist") from None
    return value


Line = Annotated[str, AfterValidator(one_line)]
# A name that the API shows; never a word that a program could parse as an option.
Name = Annotated[str, AfterValidator(_name)]
Word = Annotated[
    str, _matches(r"(\w[\w.-]*)?", "is not one word of letters, digits and . _ - inside")
]
Revision = Annotated[
    str,
    _matches(r"([\w.][\w./-]*)?", "is not a branch, tag or commit (letters, digits and . _ / -)"),
]
# Debian's policy, 5.6.7; a name that ends in `-` would be removed by apt-get.
DebianPackage = Annotated[
    str,
    _matches(
        r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.]",
        "is not the name of a Debian package (small letters, digits and + - . inside)",
    ),
]
Requirement = Annotated[str, AfterValidator(_requirement)]
# An index or a file: a URL, or a path on the box.
AddressOrPath = Annotated[str, AfterValidator(_address_or_path)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
LocalPath = Annotated[str, AfterValidator(_local_path)]  # a path on this computer
# What ssh itself accepts (valid_hostname and valid_ruser in its ssh.c).
SshHost = Annotated[
    str,
    _matches(r"[^\s@'\"`$\\;&<>|(){}-][^\s@'\"`$\\;&<>|(){}]*", "is not a host name or address"),
]
SshUser = Annotated[
    str,
    _matches(
        r"([^\s'\"`$;&<>|(){}-]([^\s'\"`$;&<>|(){}]*[^\s'\"`$\\;&<>|(){}])?)?",
        "is not the name of an account",
    ),
]
# As ssh's ControlPersist takes it, where 0 is forever.
TimeSpan = Annotated[
    str, _matches(r"([1-9][0-9]{0,5}[smh])?", "is not a time such as 30s, 5m or 1h (s, m or h)")
]
SshHops = Annotated[
    str, _matches(r"([^\s'\"`$\\;&<>|(){}-][^\s'\"`$\\;&<>|(){}]*)?", "is not user@address[:port]")
]
