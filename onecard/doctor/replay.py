"""Facts from a file, as `invoke facts --json` or `doctor --json` printed them, or a part of them.

What people attach to a report is often shortened. A missing part is unknown, which is another thing
than empty: a check that reads it reports that, instead of a conclusion from nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from onecard.doctor.check import Check
from onecard.errors import UsageError
from onecard.facts.model import Facts
from onecard.facts.read_log import read_kernel_log
from onecard.json_text import parse_json
from onecard.settings import setting_errors, yaml_file
from onecard.ssh.answer_lines import Lines

_GROUPS = tuple(field.name for field in dataclasses.fields(Facts))
_FACTS = TypeAdapter(Facts)
# What each check reads; `a|b`: one of them is enough.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "system": ("os.id", "os.version"),
    "architecture": ("kernel.arch",),
    "root": ("machine.root",),
    "systemd": ("machine.systemd",),
    "machine": ("machine.container",),
    "clock": ("machine.clock_skew",),
    "disk": ("disks",),
    "writable": ("disks",),
    "memory": ("memory.total_gib",),
    "dpkg": ("packages.unfinished", "packages.journal"),
    "apt lock": ("packages.locks",),
    "network": ("network.default_route", "network.nameservers"),
    "port": ("network.listeners",),
    "gpu": ("pci|gpus",),
    "driver": ("gpus", "driver.smi", "os.id", "os.version", "kernel.release"),
    "build": ("driver.version", "driver.smi", "gpus", "python.version"),
    "nouveau": ("driver.nouveau_loaded",),
    "fabric manager": ("pci", "machine.units", "driver.fabric_manager"),
    "mig": ("gpus",),
    "xid": ("kernel_log",),
    "ecc": ("gpus",),
    "gpu memory": ("gpus",),
    "persistence": ("gpus",),
    "reboot": ("kernel.newer", "kernel.reboot_required"),
    "headers": ("kernel.headers", "machine.container"),
    "upgrades": ("packages.nvidia", "packages.holds", "packages.unattended"),
    "python": ("python.header", "python.ensurepip"),
    "cloud-init": ("machine.cloud_init",),
    "shared memory": ("memory.shm_gib", "gpus"),
    "processors": ("memory.cpus", "gpus"),
}
# Of the server and its environment, which no facts have.
_ON_THE_BOX = ("environment", "server")


@dataclass(frozen=True)
class Replay:
    """Facts from a file. unknown: paths of the parts that it does not have, `kernel.headers`."""

    facts: Facts
    unknown: tuple[str, ...] = ()

    def missing(self, check: str) -> tuple[str, ...]:
        """Return what a check reads and the file does not have."""
        return tuple(
            need.partition("|")[0]
            for need in NEEDS.get(check, ())
            if not any(self._has(path) for path in need.split("|"))
        )

    def marked(self, checks: tuple[Check, ...]) -> tuple[Check, ...]:
        """Return the checks, with the status `unknown` for those that read what is missing."""
        return tuple(
            Check(check.name, "unknown", f"not in the facts: {', '.join(missing)}")
            if (missing := self.missing(check.name))
            else check
            for check in checks
        )

    def _has(self, path: str) -> bool:
        return not any(path == part or path.startswith(f"{part}.") for part in self.unknown)


def on_the_box() -> tuple[Check, ...]:
    """Return the checks that need the box itself."""
    return tuple(Check(name, "unknown", "no part of the facts") for name in _ON_THE_BOX)


def read_replay(path: Path, shown: str) -> Replay:
    """Read facts from a JSON or YAML file; a key `facts` at its top may hold them.

    shown: the file's name in messages. A list of lines as `kernel_log` is the kernel's own text.
    Raises UsageError with the file and the key for a wrong type, and for a file without facts.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{shown}: cannot be read: {error.strerror}") from error
    values = _values(content, shown)
    prefix: tuple[str, ...] = ()
    if isinstance(values.get("facts"), Mapping):
        prefix, values = ("facts",), values["facts"]
    if not any(group in values for group in _GROUPS):
        raise UsageError(
            f"{shown}: has no facts, such as os, kernel, driver; invoke facts --json prints them"
        )
    given = _completed(values)
    try:
        facts = _FACTS.validate_python(given)
    except ValidationError as error:
        setting_errors.raise_first(
            [
                f"{shown}: {setting_errors.dotted((*prefix, *location))}: {message}"
                for location, message in setting_errors.explain(error)
            ]
        )
        raise
    return Replay(facts, tuple(_unknown(Facts, given)))


def _values(content: bytes, shown: str) -> Mapping[str, Any]:
    try:
        values = parse_json(content)
    except ValueError:
        return yaml_file.parse(content, shown)
    if not isinstance(values, dict):
        raise UsageError(f"{shown}: the top level must be an object, as invoke facts --json prints")
    return values


def _completed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the groups with what follows from others."""
    given = {name: _printable(value) for name, value in values.items() if name in _GROUPS}
    log = given.get("kernel_log")
    if isinstance(log, list) and all(isinstance(line, str) for line in log):
        given["kernel_log"] = dataclasses.asdict(
            read_kernel_log(Lines("".join(f"line={line}\n" for line in log)))
        )
    machine, driver = given.get("machine"), given.get("driver")
    if isinstance(machine, Mapping) and "systemd" in machine:
        given.setdefault("systemd", machine["systemd"])
    given.setdefault("pci_readable", "pci" in given)
    no_answer = isinstance(driver, Mapping) and driver.get("smi") in ("failed", "missing")
    if no_answer and "pci" in given:
        given.setdefault("gpus", [])  # nvidia-smi alone reports them
    return given


def _printable(value: Any) -> Any:
    """Return a value whose texts hold no character that a terminal would interpret."""
    if isinstance(value, str):
        return "".join(each if each.isprintable() else " " for each in value)
    if isinstance(value, Mapping):
        return {key: _printable(each) for key, each in value.items()}
    return [_printable(each) for each in value] if isinstance(value, list) else value


def _unknown(kind: type, given: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the paths of the fields that are not given."""
    types = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        value = given.get(field.name)
        if field.name not in given:
            yield prefix + field.name
        elif dataclasses.is_dataclass(types[field.name]) and isinstance(value, Mapping):
            yield from _unknown(types[field.name], value, f"{prefix}{field.name}.")
