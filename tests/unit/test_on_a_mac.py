"""A controller may be a Mac: outside the sandbox and what runs on a box, nothing needs Linux.

Ruff refuses the functions and constants that only Linux has (TID251, pyproject.toml). Here: files
that only Linux has, and programs. No test runs on a Mac.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
LINUX_FILES = re.compile(r"/(proc|sys|run|dev/shm|etc/os-release|etc/machine-id)(/|$)")
LINUX_PROGRAMS = re.compile(
    r"(apt|apt-get|dpkg|flock|free|ip|iptables|journalctl|losetup|lsblk|lspci|machinectl|modprobe"
    r"|mount|nft|nproc|nsenter|nvidia-smi|setsid|ss|stdbuf|systemctl|systemd-\w+|timeout|unshare"
    r"|xdg-open)( |$)"
)
OPENED_BY = frozenset({"Path", "PurePath", "open", "stat", "listdir", "exists", "readlink"})
STARTED_BY = frozenset({"run", "Popen", "call", "check_call", "check_output", "which", "execvp"})
RUN_HERE = frozenset({"subprocess", "shutil", "os", "asyncio"})  # session.run runs on the box
ON_LINUX = re.compile(r"onecard/(sandbox|box)/|/programs/")
# When the process began: elsewhere, when the project was imported.
OPTIONAL = {"onecard/engine/timings.py"}


def controller_files() -> list[Path]:
    files = [PROJECT / "tasks.py", *(PROJECT / "roles").glob("*.py")]
    files += (PROJECT / "onecard").rglob("*.py")
    return [path for path in files if not ON_LINUX.search(path.as_posix())]


def linux_only(text: str) -> list[str]:
    """Return the files and programs of Linux that a module's calls name, with their lines."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        first = node.args[0]
        words = first.elts if isinstance(first, (ast.List, ast.Tuple)) else [first]
        value = words[0].value if words and isinstance(words[0], ast.Constant) else None
        if not isinstance(value, str):
            continue
        if name in OPENED_BY and LINUX_FILES.match(value):
            found.append(f"{node.lineno}: {value}")
        here = isinstance(called, ast.Attribute) and ast.unparse(called.value) in RUN_HERE
        if here and name in STARTED_BY and LINUX_PROGRAMS.match(value):
            found.append(f"{node.lineno}: {value}")
    return found


def test_a_controllers_module_needs_no_linux() -> None:
    found = {
        path.relative_to(PROJECT).as_posix(): linux_only(path.read_text(encoding="utf-8"))
        for path in controller_files()
    }
    assert {path for path, lines in found.items() if lines} == OPTIONAL, found


def test_what_needs_linux_is_found() -> None:
    assert linux_only("Path('/proc/1/stat').read_text()") == ["1: /proc/1/stat"]
    assert linux_only("subprocess.run(['ip', 'link'])") == ["1: ip"]
    assert linux_only("shutil.which('systemctl')") == ["1: systemctl"]
    assert linux_only("open('/etc/hosts'); subprocess.run(['ssh', '-G', 'ip'])") == []
    sandbox = PROJECT / "onecard" / "sandbox"
    assert any(linux_only(path.read_text(encoding="utf-8")) for path in sandbox.rglob("*.py"))
