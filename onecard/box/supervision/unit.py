"""A unit file as the launcher reads it: the subset of systemd.service(5) that onecard's units use.

What only systemd can do (ProtectSystem= and other namespaces, SystemCallFilter= ...) is ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from onecard.box import paths
from onecard.box.unit_words import assigned, variables, words

_PREFIXES = "@-:+!|"
_ASSIGNMENT = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


_PARENTS = {
    "RuntimeDirectory": "/run",
    "StateDirectory": "/var/lib",
    "CacheDirectory": "/var/cache",
}


@dataclass(frozen=True)
class Command:
    """A command line. may_fail: its exit code does not matter; as_root: not as the unit's user."""

    words: tuple[str, ...]
    may_fail: bool = False
    as_root: bool = False


@dataclass(frozen=True)
class ServiceUnit:
    """A unit file's text, read key by key. Every method raises ValueError for a bad value."""

    name: str
    text: str

    def values(self, key: str, section: str = "Service") -> list[str]:
        """Return the key's values in their order."""
        return assigned(self.text, section, key)

    def value(self, key: str, default: str = "", section: str = "Service") -> str:
        """Return the key's last value."""
        found = self.values(key, section)
        return found[-1] if found else default

    def seconds(self, key: str, default: float, section: str = "Service") -> float:
        """Return a time span, which onecard's units give as a number of seconds."""
        return float(self.value(key, section=section) or default)

    def flag(self, key: str) -> bool:
        """Return whether a switch is on."""
        return self.value(key).lower() in ("yes", "true", "on", "1")

    def commands(self, key: str) -> list[Command]:
        """Return the command lines of ExecStart=, ExecStartPre= ..."""
        return [_command(line) for line in self.values(key)]

    def folders(self, key: str) -> list[Path]:
        """Return the folders of RuntimeDirectory=, StateDirectory= or CacheDirectory=."""
        return [Path(_PARENTS[key]) / name for name in self.value(key).split()]

    def environment(self) -> dict[str, str]:
        """Return Environment= and the EnvironmentFile=s, which override it (systemd.exec(5)).

        Raises OSError for a file that cannot be read and has no `-` before its name.
        """
        found = variables(self.text)
        for place in self.values("EnvironmentFile"):
            path = Path(place.lstrip("-").replace("%%", "%"))
            if place.startswith("-") and not path.exists():
                continue
            found.update(environment_file(path.read_text("utf-8")))
        return found


def path_of(name: str) -> Path:
    """Return where a unit's file lies."""
    return Path(paths.UNITS) / name


def read_unit(name: str) -> ServiceUnit:
    """Return a unit as it is on the disk. Raises FileNotFoundError."""
    return ServiceUnit(name, path_of(name).read_text("utf-8"))


def all_units() -> list[ServiceUnit]:
    """Return every unit of the box, by name."""
    return [read_unit(path.name) for path in sorted(Path(paths.UNITS).glob("*.service"))]


def environment_file(text: str) -> dict[str, str]:
    """Return the variables of an EnvironmentFile= (systemd.exec(5)).

    A value is bare, without the blanks around it, or in quotes. A backslash escapes the next
    letter; within double quotes only a quote, a backslash, a dollar sign and a backquote.
    """
    found = {}
    for line in text.splitlines():
        if line.lstrip().startswith(("#", ";")):
            continue
        if pair := _ASSIGNMENT.fullmatch(line):
            found[pair[1]] = _file_value(pair[2].strip())
    return found


def _file_value(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    if len(text) > 1 and text[0] == text[-1] == '"':
        return re.sub(r'\\(["\\$`])', r"\1", text[1:-1])
    return re.sub(r"\\(.)", r"\1", text)


def _command(line: str) -> Command:
    bare = line.lstrip(_PREFIXES)
    prefixes = line[: len(line) - len(bare)]
    given = tuple(word if ":" in prefixes else word.replace("$$", "$") for word in words(bare))
    return Command(given, may_fail="-" in prefixes, as_root="+" in prefixes or "!" in prefixes)
