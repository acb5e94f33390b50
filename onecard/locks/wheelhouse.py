"""Download a lock's wheels, for the box's Python and platform, to a folder on this computer."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from onecard.box.supervision import SUPERVISOR
from onecard.errors import CommandError
from onecard.facts import Facts
from onecard.facts.versions import version_key
from onecard.inventory.host import Host
from onecard.inventory.lock import Lock, normalised
from onecard.locks import resolve_request
from onecard.locks.indexes import indexes, netrc
from onecard.project import PROJECT

_OLDEST_GLIBC = 5  # manylinux1
_NEWEST_UV = 40  # the newest glibc among the platforms that uv has a name for
_OLD_NAMES = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}


def platforms(facts: Facts) -> tuple[str, ...]:
    """Return the wheel platforms that the box supports, the newest first (PEP 600)."""
    arch = facts.kernel.arch or "x86_64"
    minor = _glibc(facts)
    tags = [f"manylinux_2_{each}_{arch}" for each in range(minor, _OLDEST_GLIBC - 1, -1)]
    tags += [f"{name}_{arch}" for name, needed in _OLD_NAMES.items() if minor >= needed]
    return (*tags, f"linux_{arch}")


def _glibc(facts: Facts) -> int:
    """Return N of the box's glibc 2.N; 28, which every supported box has, where it is unknown."""
    return (*version_key(facts.python.libc.rpartition(" ")[2])[1:], 28)[0]


def download_command(
    lock: Lock, facts: Facts, folder: Path, requirements: Path, place: tuple[str, ...]
) -> list[str]:
    """Return pip's command to download wheels only. place: its arguments for where to look."""
    version = lock.python.replace(".", "")
    words = [sys.executable, "-m", "pip", "download", "-q", "--no-input", "--no-deps"]
    words += ["--disable-pip-version-check", "--only-binary", ":all:", "--dest", str(folder)]
    words += ["--python-version", lock.python, "--implementation", "cp"]
    for abi in (f"cp{version}", "abi3", "none"):
        words += ["--abi", abi]
    for platform in platforms(facts):
        words += ["--platform", platform]
    return [*words, *place, "-r", str(requirements)]


def fill(host: Host, lock: Lock, facts: Facts, folder: Path) -> tuple[Path, ...]:
    """Download what `folder` lacks and return the lock's wheels in it.

    Raises CommandError that names what has no wheel for the box.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        requirements = Path(temporary, "requirements.txt")
        wanted = [*lock.requirements().splitlines(), *tools(facts)]
        requirements.write_text("".join(f"{each}\n" for each in wanted))
        login = _login(host, Path(temporary))
        # pip reads the login from netrc, as uv does; it is never an argument.
        variables = {**os.environ, **({"NETRC": str(login)} if login else {})}
        output = ""
        for place in places(with_local_indexes(host), lock):
            command = download_command(lock, facts, folder, requirements, place)
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, env=variables
            )
            if done.returncode == 0:
                break
            output = output or done.stdout + done.stderr
        else:
            errors = [line for line in output.splitlines() if line.startswith("ERROR")]
            raise CommandError(
                f"{host.name}: pip here could not download the wheels: "
                f"{errors[-1].removeprefix('ERROR: ') if errors else 'no reason given'}",
                output[-2000:],
            )
    return present(wanted, folder, host.name)


def tools(facts: Facts) -> tuple[str, ...]:
    """Return what provision installs beside the lock: uv, and the service manager of a pod."""
    return ("uv",) if facts.machine.systemd else ("uv", SUPERVISOR)


def places(host: Host, lock: Lock) -> tuple[tuple[str, ...], ...]:
    """Return pip's arguments for where to look for wheels, to be tried in turn."""
    given = host.settings.indexes
    own = ("--index-url", given.url) if given.url else ()
    extra = [word for url in given.extra_urls for word in ("--extra-index-url", url)]
    links = [word for link in given.find_links for word in ("--find-links", link)]
    builds = [url for url in (lock.index, f"{given.torch}/{lock.cuda}") if url]
    everywhere = [word for url in builds for word in ("--extra-index-url", url)]
    found = (*own, *extra, *links)
    # The CPU build may be among the local wheels, without access to PyTorch's index.
    return (found, (*found, *everywhere)) if lock.cuda == "cpu" else ((*found, *everywhere),)


def with_local_indexes(host: Host) -> Host:
    """Return the host with the indexes that this computer can use: drop folders of the box."""
    settings = host.settings
    links = tuple(
        link for link in settings.indexes.find_links if "://" in link or Path(link).is_dir()
    )
    found = settings.indexes.model_copy(update={"find_links": links})
    return replace(host, settings=settings.model_copy(update={"wheelhouse": "", "indexes": found}))


def _login(host: Host, folder: Path) -> Path | None:
    """Write the login to the indexes to a file that only its owner can read; None without one."""
    text = netrc(host)
    if text is None:
        return None
    path = folder / "netrc"
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def present(wanted: Sequence[str], folder: Path, name: str) -> tuple[Path, ...]:
    """Return the wheels of these requirements in a folder. Raises CommandError for a missing one.

    wanted: `name` or `name==version`.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.whl")):
        distribution, version = path.name.split("-")[:2]
        found[f"{normalised(distribution)}=={version}"] = path
        found[normalised(distribution)] = path
    missing = [each for each in wanted if each not in found]
    if missing:
        raise CommandError(f"{name}: {folder} has no wheel of {', '.join(missing[:5])}")
    return tuple(found[each] for each in wanted)


def resolve_here(host: Host, facts: Facts) -> Lock:
    """Resolve a lock on this computer for a box without internet. Raises CommandError.

    The wheels that are already in a wheelhouse are ignored: it is about to be filled.
    """
    host = with_local_indexes(host)
    build = resolve_request.matched(host, facts)
    version = commit = ""
    if build.index:
        listed = _shell(resolve_request.page(host, build))
        version, commit = resolve_request.parse_page(
            host, build, listed.stdout + listed.stderr, listed.returncode, facts.kernel.arch
        )
    request = resolve_request.resolve_request(host, facts, build, version, commit)
    arch = facts.kernel.arch or "x86_64"
    target = f"{arch}-manylinux_2_{min(_glibc(facts), _NEWEST_UV)}"
    request = replace(
        request,
        python_from="uv",  # this computer's Python is not the box's
        places=tuple((*place, "--python-platform", target) for place in request.places),
    )
    with tempfile.TemporaryDirectory() as temporary:
        uv = _tools(Path(temporary), host.name)
        login = _login(host, Path(temporary))
        settings = indexes(host, home=temporary, credentials=str(login or ""))
        answer = _shell(resolve_request.script(request, settings, uv))
    on_box = replace(request, python_from=resolve_request.python_from(host, facts, build.python))
    output = answer.stdout + answer.stderr
    return resolve_request.parse_lock(host, facts, on_box, output, answer.returncode)


def _tools(folder: Path, name: str) -> str:
    """Install uv in a folder, as the role python does on a box; return the program's path."""
    venv = folder / "venv"
    program = (PROJECT / "onecard" / "locks" / "programs" / "uv.py").read_text("utf-8")
    commands = (
        [sys.executable, "-m", "venv", str(venv)],
        [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", "--no-input", "uv"],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CommandError(f"{name}: uv could not be installed here", done.stderr[-2000:])
    path = folder / "uv"
    path.write_text(f"#!{venv}/bin/python\n{program}")
    path.chmod(0o755)
    return str(path)


def _shell(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
