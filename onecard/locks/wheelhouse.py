"""Fills a folder with the wheels of a lock, for the box's Python and platform, on this computer."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from onecard.errors import CommandError
from onecard.facts import Facts
from onecard.facts.lines import version_key
from onecard.host import Host
from onecard.locks import question
from onecard.locks.indexes import indexes, netrc
from onecard.locks.lock import Lock, normalised
from onecard.places import PROJECT

_OLDEST_GLIBC = 5  # manylinux1
_NEWEST_UV = 40  # of the platforms that uv knows by name
_OLD_NAMES = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}


def platforms(facts: Facts) -> tuple[str, ...]:
    """Return the wheel platforms that the box takes, the newest first (PEP 600)."""
    arch = facts.kernel.arch or "x86_64"
    minor = _glibc(facts)
    tags = [f"manylinux_2_{each}_{arch}" for each in range(minor, _OLDEST_GLIBC - 1, -1)]
    tags += [f"{name}_{arch}" for name, needed in _OLD_NAMES.items() if minor >= needed]
    return (*tags, f"linux_{arch}")


def _glibc(facts: Facts) -> int:
    """Return N of the box's glibc 2.N; 28, which all of them have, where it is unknown."""
    return (*version_key(facts.python.libc.rpartition(" ")[2])[1:], 28)[0]


def download_command(
    lock: Lock, facts: Facts, folder: Path, requirements: Path, place: tuple[str, ...]
) -> list[str]:
    """Return the pip command that downloads wheels alone. place: where to look, for pip."""
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
    """Download what is not in `folder` yet and return the lock's wheels there.

    Raises CommandError naming what has no wheel for the box.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        requirements = Path(temporary, "requirements.txt")
        requirements.write_text(lock.requirements() + "uv\n")
        login = _login(host, Path(temporary))
        # pip takes a login from netrc, as uv does; never from its arguments.
        variables = {**os.environ, **({"NETRC": str(login)} if login else {})}
        output = ""
        for place in places(seen_from_here(host), lock):
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
    return present(lock, folder, host.name)


def places(host: Host, lock: Lock) -> tuple[tuple[str, ...], ...]:
    """Return pip's arguments that say where wheels are looked for, each to be tried in turn."""
    said = host.settings.indexes
    own = ("--index-url", said.url) if said.url else ()
    extra = [word for url in said.extra_urls for word in ("--extra-index-url", url)]
    links = [word for link in said.find_links for word in ("--find-links", link)]
    builds = [url for url in (lock.index, f"{said.torch}/{lock.cuda}") if url]
    everywhere = [word for url in builds for word in ("--extra-index-url", url)]
    found = (*own, *extra, *links)
    # The CPU build may be among one's own wheels, with no way to PyTorch.
    return (found, (*found, *everywhere)) if lock.cuda == "cpu" else ((*found, *everywhere),)


def seen_from_here(host: Host) -> Host:
    """Return the host with the settings that hold on this computer: its folders are the box's."""
    settings = host.settings
    links = tuple(
        link for link in settings.indexes.find_links if "://" in link or Path(link).is_dir()
    )
    found = settings.indexes.model_copy(update={"find_links": links})
    return replace(host, settings=settings.model_copy(update={"wheelhouse": "", "indexes": found}))


def _login(host: Host, folder: Path) -> Path | None:
    """Write the login to the host's indexes where its owner alone can read it; None without one."""
    text = netrc(host)
    if text is None:
        return None
    path = folder / "netrc"
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def present(lock: Lock, folder: Path, name: str) -> tuple[Path, ...]:
    """Return the lock's wheels in a folder, and uv's. Raises CommandError for one missing."""
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.whl")):
        distribution, version = path.name.split("-")[:2]
        found[f"{normalised(distribution)}=={version}"] = path
        found[normalised(distribution)] = path
    wanted = [*lock.requirements().splitlines(), "uv"]
    lacking = [each for each in wanted if each not in found]
    if lacking:
        raise CommandError(f"{name}: {folder} has no wheel of {', '.join(lacking[:5])}")
    return tuple(found[each] for each in wanted)


def resolve_here(host: Host, facts: Facts) -> Lock:
    """Resolve a lock on this computer for a box that cannot. Raises CommandError.

    What is in a wheelhouse already does not count: it is about to be filled.
    """
    host = seen_from_here(host)
    build = question.matched(host, facts)
    version = commit = ""
    if build.index:
        listed = _shell(question.page(host, build))
        version, commit = question.read_page(
            host, build, listed.stdout + listed.stderr, listed.returncode, facts.kernel.arch
        )
    wanted = question.question(host, facts, build, version, commit)
    arch = facts.kernel.arch or "x86_64"
    target = f"{arch}-manylinux_2_{min(_glibc(facts), _NEWEST_UV)}"
    wanted = replace(
        wanted,
        python_from="uv",  # whatever Python is here, it is not the box's
        places=tuple((*place, "--python-platform", target) for place in wanted.places),
    )
    with tempfile.TemporaryDirectory() as temporary:
        uv = _tools(Path(temporary), host.name)
        login = _login(host, Path(temporary))
        told = indexes(host, home=temporary, credentials=str(login or ""))
        answer = _shell(question.script(wanted, told, uv))
    mine = replace(wanted, python_from=question.python_from(host, facts, build.python))
    return question.read_answer(host, facts, mine, answer.stdout + answer.stderr, answer.returncode)


def _tools(folder: Path, name: str) -> str:
    """Make uv's environment in a folder, as the role python does on a box; return the program."""
    venv = folder / "venv"
    program = (PROJECT / "onecard" / "data" / "tools" / "uv.py").read_text("utf-8")
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
