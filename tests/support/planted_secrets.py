"""Looks for planted secrets in every place where somebody could find one.

Run as a program, here or on a box by its own Python: `watch` reads the processes until its
standard input ends, `search` reads files, journal and units once. The secrets come on standard
input, so that the search itself leaves none.
"""

from __future__ import annotations

import base64
import json
import os
import pwd
import re
import select
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

_INTERVAL_S = 0.02
_LARGEST = 64_000_000  # bytes of a file
# Of programs alone, which no command writes a secret to unless it writes the file.
_PROGRAMS = ("/usr", "/opt/onecard/venvs", "/opt/onecard/uv-cache", "/opt/onecard/python")
_LISTS = (
    ("journal", ("journalctl", "--no-pager", "-q", "-a", "-o", "export")),
    ("units", ("systemctl", "show", "--all", "*")),
)


@dataclass(frozen=True)
class Request:
    """What to look for, and where.

    secrets: name -> value. folders: with all below on the same file system; links are not
    followed. since: seconds since 1970: programs' folders are searched for what changed after it.
    """

    secrets: Mapping[str, str]
    folders: tuple[str, ...] = ("/", "/run", "/tmp", "/dev/shm", "/var/tmp")
    since: float = 0.0
    environments: bool = True


@dataclass(frozen=True, order=True)
class Finding:
    """A secret in a place: a path with its mode, or words for any other place."""

    secret: str
    place: str
    mode: str = ""


def forms(value: str) -> tuple[bytes, ...]:
    """Return a value and what it is within base64, at each of the three offsets."""
    data = value.encode()
    found = [data]
    for offset, first in ((0, 0), (1, 2), (2, 3)):
        whole = (offset + len(data)) * 8 // 6  # characters that depend on the value alone
        found.append(base64.b64encode(bytes(offset) + data)[first:whole])
    return tuple(found)


def unexpected(found: Iterable[Finding]) -> list[Finding]:
    """Return what is in no place that docs/security.md names, or where others may read it."""
    page = (Path(__file__).parents[2] / "docs/security.md").read_text()
    named = re.findall(r"^\| `([^`]+)` \|", page, re.M)
    files = [
        re.compile(f"(^|.*/){re.escape(name.strip('/')).replace('HOST', '[^/]+')}")
        for name in named
    ]
    # The server, its engine, and the compilers that they start.
    server = "environ of onecard's "
    return sorted(
        each
        for each in found
        if not (each.mode == "600" and any(file.fullmatch(each.place) for file in files))
        and not each.place.startswith(server)
    )


@dataclass
class _Finder:
    request: Request
    forms: Mapping[str, tuple[bytes, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.forms = {name: forms(value) for name, value in self.request.secrets.items()}

    def within(self, data: bytes) -> list[str]:
        return [name for name, known in self.forms.items() if any(form in data for form in known)]

    def masked(self, data: bytes) -> str:
        for known in self.forms.values():
            for form in known:
                data = data.replace(form, b"<secret>")
        return data.decode(errors="replace")


def watch(finder: _Finder, end: IO[bytes]) -> set[Finding]:
    """Return what the arguments and environments of processes hold, until `end` ends."""
    found = set()
    names = ("cmdline", "environ") if finder.request.environments else ("cmdline",)
    has_ended = False
    while not has_ended:  # a last look after it
        has_ended = bool(select.select([end], [], [], _INTERVAL_S)[0])
        for process in Path("/proc").glob("[0-9]*"):
            for name in names:
                for secret in finder.within(_content(process / name)):
                    words = _content(process / "cmdline").replace(b"\0", b" ")
                    place = f"{name} of {_owner(process)}'s {finder.masked(words)[:200]}"
                    found.add(Finding(secret, place))
    return found


def _owner(process: Path) -> str:
    try:
        return pwd.getpwuid(process.stat().st_uid).pw_name
    except (OSError, KeyError):  # it has ended; it is of another namespace
        return "nobody"


def search(finder: _Finder) -> set[Finding]:
    """Return what files, the journal and units hold."""
    found = {
        Finding(secret, f"{what}: {finder.masked(line)[:200]}")
        for what, words in _LISTS
        for line in _printed(words).splitlines()
        for secret in finder.within(line)
    }
    folders = finder.request.folders
    for folder in filter(os.path.exists, folders):
        if folder != "/" in folders and _device(folder) == _device("/"):
            continue  # a part of it
        for file, mode in _files(folder, finder.request.since):
            for secret in finder.within(_content(file)):
                found.add(Finding(secret, str(file), f"{mode:o}"))
    return found


def _files(folder: str, since: float) -> Iterator[tuple[Path, int]]:
    """Yield each file and its mode."""
    device = _device(folder)
    for parent, inside, names in os.walk(folder):
        inside[:] = [each for each in inside if _device(f"{parent}/{each}") == device]
        old = os.path.realpath(parent).startswith(_PROGRAMS)
        for path in (Path(parent, name) for name in names):
            try:
                status = path.lstat()
            except OSError:
                continue
            is_new = status.st_ctime >= since or not old
            if stat.S_ISREG(status.st_mode) and status.st_size <= _LARGEST and is_new:
                yield path, stat.S_IMODE(status.st_mode)


def _device(path: str) -> int:
    try:
        return os.lstat(path).st_dev
    except OSError:
        return -1


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _printed(words: tuple[str, ...]) -> bytes:
    try:
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True).stdout
    except OSError:
        return b""


def searched(request: Request, box: Any = None) -> set[Finding]:
    """Search this computer, or a box (tests.box.conftest.Box)."""
    with _running("search", request, box) as result:
        pass
    return result()


@contextmanager
def watched(request: Request, box: Any = None) -> Iterator[Callable[[], set[Finding]]]:
    """Watch the processes of this computer, or of a box, while entered; then call what it yields."""
    with _running("watch", request, box) as result:
        yield result


@contextmanager
def _running(what: str, request: Request, box: Any) -> Iterator[Callable[[], set[Finding]]]:
    opened = box.running if box is not None else _here
    printed: list[str] = []
    words = ("python3", "-c", Path(__file__).read_text(), what)
    with opened(words, json.dumps(asdict(request)) + "\n", printed):
        yield lambda: {Finding(*row) for row in json.loads(printed[0])}


@contextmanager
def _here(words: tuple[str, ...], line: str, printed: list[str]) -> Iterator[None]:
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as begun:
        assert begun.stdin is not None
        assert begun.stdout is not None
        begun.stdin.write(line)
        begun.stdin.flush()
        begun.stdout.readline()
        try:
            yield
        finally:
            printed.append(begun.communicate()[0])


def main() -> int:
    """Read a request, and print what is found."""
    request = Request(**json.loads(sys.stdin.buffer.raw.readline()))  # type: ignore[attr-defined]
    finder = _Finder(request)
    print("ready", flush=True)
    found = watch(finder, sys.stdin.buffer) if sys.argv[1] == "watch" else search(finder)
    print(json.dumps(sorted([each.secret, each.place, each.mode] for each in found)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
