"""Boxes and their driver plans as YAML, for test_driver.py and for review."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import yaml

from onecard.driver import DriverPlan, decide
from onecard.facts import Container, Driver, Facts, GpuFacts, Package, PciDevice
from onecard.facts.read_log import read_kernel_log
from onecard.resources.apt.apt_get import APT_GET, update
from onecard.resources.base import ABSENT, Resource, diff
from onecard.settings.settings import DriverSettings
from onecard.ssh.answer_lines import Lines
from roles.driver import availability_of, resources
from tests.support.facts_support import box

FOLDER = Path(__file__).parent.parent / "unit" / "fixtures" / "driver"
FILES = sorted(FOLDER.glob("*.yml"))
# What each step of any plan runs on a box that has nothing of it yet.
COMMANDS = FOLDER.parent / "driver-commands.yml"

_BASE64 = re.compile(r"base64 -d >(?P<to>\S+) <<'@end'\n(?P<text>[\w+/=\n]*)\n@end")


def facts_of(reported: dict[str, Any]) -> Facts:
    """Build the facts: what the file leaves out is the plain box of facts_support."""
    groups: dict[str, Any] = dict(reported)
    if "kernel_log" in groups:
        answer = "".join(f"line={line}\n" for line in groups["kernel_log"])
        groups["kernel_log"] = read_kernel_log(Lines(answer))
    if "pci" in groups:
        groups["pci"] = tuple(PciDevice(**device) for device in groups["pci"])
    if "gpus" in groups:
        groups["gpus"] = tuple(GpuFacts(**gpu) for gpu in groups["gpus"])
    if "driver" in groups:
        routes = tuple(groups["driver"].pop("routes", ()))
        groups["driver"] = Driver(**groups["driver"], routes=routes)
    if "container" in groups:
        groups["machine"] = {"container": Container(**groups.pop("container"))}
    if "packages" in groups:
        groups["packages"] = {
            kind: tuple(Package(*package) for package in listed)
            for kind, listed in groups["packages"].items()
        }
    return box(**groups)


def planned(file: Path) -> tuple[DriverPlan, tuple[Resource, ...]]:
    """Return the plan for a file's box, and the steps that it comes to."""
    reported = yaml.safe_load(file.read_text())
    setting = DriverSettings(**reported.get("setting", {}))
    plan = decide(facts_of(reported["facts"]), setting)
    steps = () if plan.action == "refuse" else resources(plan, setting.branch)
    return plan, (*availability_of(plan), *steps)


def written(plan: DriverPlan, steps: tuple[Resource, ...]) -> dict[str, Any]:
    """Return a plan as in a file; what is empty is left out."""
    reported: dict[str, Any] = {"action": plan.action, "reason": plan.reason}
    if plan.fix:
        reported["fix"] = plan.fix
    if plan.reboot:
        reported["reboot"] = True
    if steps:
        reported["steps"] = [step.name for step in steps]
    return reported


def commands(step: Resource) -> str:
    """Return a step's commands on a box without it: files in clear text, apt-get without options
    and without its waiting for others."""
    script = step.fix(diff(step.desired(), ABSENT), ABSENT)
    for long, short in ((update(600), "apt-get update"), (APT_GET.format(wait=600), "apt-get")):
        script = script.replace(long, short)
    return _BASE64.sub(
        lambda found: f"cat >{found['to']} <<'@end'\n{_clear(found['text'])}@end", script
    )


def all_commands() -> dict[str, list[str]]:
    """Return the different commands of each step, by its name."""
    found: dict[str, list[str]] = {}
    for file in FILES:
        for step in planned(file)[1]:
            known = found.setdefault(step.name, [])
            if commands(step) not in known:
                known.append(commands(step))
    return found


def _clear(text: str) -> str:
    return base64.b64decode(text).decode()
