"""A wheel holds all that it needs; from it, `onecard` works in a folder of one's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import onecard
import tasks
from onecard.facts import to_json
from tests.support.facts_support import CARD, box, working

PROJECT = Path(__file__).resolve().parents[2]

IN_THE_WHEEL = """
import onecard.checks, onecard.facts, onecard.fit, roles
from onecard.diagnosis import shipped_rules
from onecard.monitoring.configuration import alerts, box_metrics, page
from onecard.project import PROJECT
from onecard.shipped import IS_CLONE, SHIPPED
from onecard.resources.files.hub import program
from onecard.smoke.questions import questions
from onecard.templates.render import render
from onecard.tiny_model.tokenizer import CHAT_TEMPLATE_FILE
from roles.services import programs
assert "site-packages" in onecard.__file__, onecard.__file__
assert all(each.program for each in onecard.checks.environment_checks("cpu"))
assert page() and alerts() and box_metrics()
assert onecard.facts.PROBES and onecard.fit.known_models() and onecard.fit.known_gpus()
assert onecard.fit.find_preset("Qwen/Qwen3.5-27B") and shipped_rules()
assert questions("tiny-vqa").cases and questions("Qwen/Qwen3.5-27B").cases[0].image.is_file()
assert (CHAT_TEMPLATE_FILE.parent / "model.safetensors").stat().st_size > 10**6
assert (PROJECT / "onecard" / "locks" / "programs" / "uv.py").is_file()
assert render("onecard-firewall.service.j2", {"folder": "/etc/x"}) and program() and programs()
assert (SHIPPED / "templates" / "report" / "style.css").is_file() and not IS_CLONE
"""


@dataclass(frozen=True)
class Installed:
    """An environment with nothing of the project but its wheel."""

    wheel: Path
    bin: Path

    def run(self, *words: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        program, *rest = map(str, words)
        return subprocess.run(
            [self.bin / program, *rest], cwd=cwd, env={**environment, **more},
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip


def built(folder: Path, *, umask: int = 0o022, seconds: float = 0) -> Path:
    """Build a wheel from a copy of the project whose files are that much older."""
    source = folder / "source"
    for name in ("onecard", "roles", "templates", "inventory"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "tasks.py", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    for path in source.rglob("*"):
        os.utime(path, (path.stat().st_mtime - seconds,) * 2)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source]
    subprocess.run(build, check=True, umask=umask)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    wheel = built(folder)
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    place = ["--prefix", folder / "venv", "--ignore-installed", "--no-warn-script-location"]
    into = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", *place, wheel]
    subprocess.run(into, check=True)
    # What the project depends on is this environment's; the project itself is the wheel's alone.
    where = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip())
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(ours) + "\n")
    shutil.copy(Path(sys.executable).parent / "invoke", python.parent)
    for name in ("invoke", "onecard"):
        script = python.parent / name
        script.write_text(re.sub(r"\A#!.*", f"#!{python}", script.read_text()))
    return Installed(wheel, python.parent)


@pytest.fixture
def folder(installed: Installed, tmp_path: Path) -> Path:
    made = tmp_path / "boxes"
    done = installed.run("onecard", "init", made, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return made


def test_a_wheel_holds_all_that_it_needs(installed: Installed, tmp_path: Path) -> None:
    done = installed.run("python", "-c", IN_THE_WHEEL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert installed.run("python", "-m", "onecard.checks", "--help", cwd=tmp_path).returncode == 0


@pytest.mark.timeout(600)  # a build more
def test_the_same_files_make_the_same_wheel(installed: Installed, tmp_path: Path) -> None:
    again = built(tmp_path, umask=0o077, seconds=86_400)
    assert again.name == installed.wheel.name
    assert again.read_bytes() == installed.wheel.read_bytes()


def test_a_wheel_takes_no_other_projects_names(installed: Installed) -> None:
    top = {name.split("/")[0] for name in zipfile.ZipFile(installed.wheel).namelist()}
    assert top == {"onecard", f"onecard-{onecard.__version__}.dist-info"}


def test_onecard_has_the_commands_of_invoke(installed: Installed, tmp_path: Path) -> None:
    shown = installed.run("onecard", "--version", cwd=tmp_path).stdout
    assert shown == f"onecard {onecard.__version__}\n"
    listed = installed.run("onecard", "--list", "--list-format=json", cwd=tmp_path).stdout
    assert all(f'"{name.split(".")[-1]}"' in listed for name in tasks.namespace.task_names)
    script = installed.run("onecard", "--print-completion-script", "bash", cwd=tmp_path).stdout
    assert re.search(r"complete .* onecard$", script, re.MULTILINE)
    words = installed.run("onecard", "--complete", "--", "onecard de", cwd=tmp_path).stdout
    assert "deploy" in words.split()


def test_init_makes_a_folder_and_overwrites_nothing(
    installed: Installed, folder: Path, tmp_path: Path
) -> None:
    made = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert made == {"tasks.py", ".gitignore", "inventory/hosts.yml"}
    assert len((folder / "tasks.py").read_text().splitlines()) == 3
    again = installed.run("onecard", "init", folder, cwd=tmp_path)
    assert again.returncode == 2
    assert "holds tasks.py, inventory, .gitignore already" in again.stderr


def test_the_commands_work_in_the_folder(installed: Installed, folder: Path) -> None:
    hosts = folder / "inventory" / "hosts.yml"
    example = re.search(r"(?m)(^#     a100-1:.*\n(?:#  .*\n)+)", hosts.read_text())
    assert example
    entry = re.sub(r"(?m)^#    ", "       ", example[1])
    hosts.write_text(hosts.read_text() + entry)
    for program in ("onecard", "invoke"):
        (below := folder / "notes").mkdir(exist_ok=True)
        shown = installed.run(program, "hosts", cwd=below)
        assert shown.returncode == 0, shown.stderr
        assert "a100-1" in shown.stdout and "203.0.113.10" in shown.stdout
    facts = folder / "facts.json"
    facts.write_text(json.dumps(to_json(box(driver=working("580.95.05"), gpus=(CARD,)))))
    planned = installed.run("onecard", "plan", "--facts", facts, "--host", "a100-1", cwd=folder)
    assert planned.returncode == 0, planned.stderr
    assert "vllm" in planned.stdout
    assert installed.run("onecard", "use", "a100-1", cwd=folder).returncode == 0
    assert (folder / ".onecard" / "host").read_text() == "a100-1\n"


def test_a_hint_names_the_command_that_was_typed(installed: Installed, folder: Path) -> None:
    shown = installed.run("onecard", "hosts", cwd=folder).stdout
    assert "onecard sandbox.up" in shown and "invoke" not in shown
    failed = installed.run("onecard", "deploy", cwd=folder)
    assert failed.returncode == 2
    assert "`onecard sandbox.up`" in failed.stderr
    by_invoke = installed.run("invoke", "deploy", cwd=folder)
    assert by_invoke.stderr == failed.stderr.replace("onecard sandbox", "invoke sandbox")


@pytest.mark.parametrize("words", [["no-such"], ["deploy", "--no-such"], ["hosts", "--host"]])
def test_a_wrong_command_line_is_exit_2(
    installed: Installed, folder: Path, words: list[str]
) -> None:
    by_onecard = installed.run("onecard", *words, cwd=folder)
    by_invoke = installed.run("invoke", *words, cwd=folder)
    assert by_onecard.returncode == by_invoke.returncode == 2
    assert by_onecard.stderr == by_invoke.stderr


def test_without_a_folder_only_what_needs_one_is_refused(
    installed: Installed, tmp_path: Path
) -> None:
    failed = installed.run("onecard", "hosts", cwd=tmp_path)
    assert failed.returncode == 2
    assert "`onecard init DIR`" in failed.stderr and "Traceback" not in failed.stderr
    log = tmp_path / "server.log"
    log.write_text("OSError: [Errno 98] address already in use\n")
    named = installed.run("onecard", "diagnose", "--log", log, cwd=tmp_path)
    assert "onecard stop" in named.stdout, named.stderr
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps(to_json(box())))
    assert installed.run("onecard", "plan", "--facts", facts, cwd=tmp_path).returncode == 0
    planned = installed.run("onecard", "fit", "--gpu", "A100-80GB", cwd=tmp_path)
    assert planned.returncode in (0, 1), planned.stderr
    assert "Qwen/Qwen3.5-27B" in planned.stdout


def test_a_folder_called_roles_hides_nothing(installed: Installed, folder: Path) -> None:
    (folder / "roles").mkdir()
    (folder / "roles" / "__init__.py").touch()
    (folder / "roles" / "base.py").write_text("raise SystemExit('taken for the package')\n")
    done = installed.run("python", "-c", "import onecard; import roles.serve", cwd=folder)
    assert done.returncode == 0, done.stderr
