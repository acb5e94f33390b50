"""What a command loads: a module too many makes every command slower. Counted, not timed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from onecard.project import PROJECT

# Each takes 10 to 150 ms to load.
SETTINGS = {"pydantic", "onecard.settings", "onecard.inventory"}
CONNECTION = {"paramiko", "fabric", "cryptography"}
SHOWN = {"rich", "jinja2", "matplotlib", "PIL"}
SELDOM = {
    "keyring",
    "requests",
    "urllib.request",
    "http.client",
    "openai",
    "numpy",
    "onecard.diagnosis",
    "onecard.startup_log",
    "onecard.sandbox",
    "onecard.tiny_model",
    "onecard.report",
    "onecard.measure",
    "onecard.reference",
    "onecard.fit",
}
# What only the answers of a box need: loaded while it works.
DECIDING = {
    "rich",
    "roles.driver",
    "onecard.driver",
    "onecard.facts.model",
    "onecard.facts.read",
    "onecard.engine.host_plan",
    "onecard.locks.resolve_request",
    "onecard.records",
}
INVENTORY = "all: {hosts: {box: {ansible_host: 127.0.0.1, ansible_port: 1}}}"


# Ends a provision where its login may go on.
LOGIN_GOES_ON = """
import sys
from onecard.provision.begun_login import BegunLogin
BegunLogin.go_on = lambda self, first: sys.exit()
"""


def loaded(*words: str, inventory: Path | None = None, before: str = "") -> set[str]:
    """Run invoke with these words; return the modules that it loaded, and every package of them.

    before: a program to run first.
    """
    program = (
        f"{before}\n"
        "import atexit, json, os, sys, threading\n"
        "os._exit = lambda code: None  # what ends the process before this program can print\n"
        "def wait():\n"
        "    for each in threading.enumerate():\n"
        "        each is threading.current_thread() or each.join(60)\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        f"sys.argv = ['invoke', *{list(words)!r}]\n"
        "from invoke.main import program\n"
        "try:\n    program.run()\nfinally:\n    wait()"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(inventory or "/nonexistent")}
    if inventory:
        environment |= {
            "ONECARD_INVENTORY": str(inventory),
            "ONECARD_RUNS": str(inventory / "runs"),
        }
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    modules: list[str] = json.loads(done.stderr.splitlines()[-1])
    return set(modules)


def unwanted(modules: set[str], *sets: set[str]) -> set[str]:
    return modules & set().union(*sets)


@pytest.mark.parametrize(
    "words",
    [
        ("--list",),
        ("--help",),
        ("provision", "--help"),
        (
            "deploy",
            "--no-such-flag",
        ),
        ("nothing",),
    ],
)
def test_listing_help_and_usage_errors_load_no_more_than_invoke(words: tuple[str, ...]) -> None:
    modules = loaded(*words)
    assert unwanted(modules, SETTINGS, CONNECTION, SHOWN, SELDOM) == set()
    own = {name for name in modules if name.partition(".")[0] in ("onecard", "roles", "templates")}
    assert len(own) <= 20, own


def test_an_unknown_host_is_refused_before_anything_is_loaded_to_connect(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    modules = loaded("provision", "--host", "nosuch", inventory=tmp_path)
    assert unwanted(modules, SHOWN, SELDOM) == set()


def test_a_provision_loads_what_it_needs(tmp_path: Path) -> None:
    """The box does not answer; all else is loaded by then."""
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    modules = loaded("provision", "--host", "box", inventory=tmp_path)
    assert {"paramiko", "pydantic", "onecard.engine.converge", "roles.vllm"} <= modules
    assert unwanted(modules, {"jinja2", "matplotlib", "PIL"}, SELDOM) == set()


def test_a_login_goes_on_before_what_only_its_answers_need_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    modules = loaded("provision", "--host", "box", inventory=tmp_path, before=LOGIN_GOES_ON)
    assert "onecard.engine.first_requests" in modules
    assert unwanted(modules, DECIDING, SELDOM) == set()
