"""Files, directories and symbolic links."""

from __future__ import annotations

import base64
import difflib
import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from onecard.resources.base import ABSENT, Differences, Resource, State
from onecard.resources.files.together import LONGEST_SHOWN, STAT, AtPath, Together
from onecard.ssh.probe_batch import Answer

_STAT = f"stat -c '{STAT}'"


def quote(path: str) -> str:
    """Return a path as one shell word."""
    return shlex.quote(path)


def _read_stat(line: str) -> dict[str, str]:
    kind, mode, owner, group = line.rsplit("=", 3)
    kind = "file" if kind.startswith("regular") else kind
    return {"kind": kind, "mode": mode.zfill(4), "owner": owner, "group": group}


def _fix_ownership(path: str, owner: str, group: str, mode: int) -> str:
    return f"chown -h {owner}:{group} {path}\nchmod {mode:04o} {path}"


def _moved(path: str, found: str, wanted: str) -> str:
    """Return shell that refuses to replace what the setting `root` had put there before."""
    reason = (
        f"error: {path} is {found}, and root: wants {wanted}: set root: as it was, or remove all "
        "with invoke teardown first"
    )
    return f"{{ echo {quote(reason)}; exit 1; }}"


@dataclass(frozen=True)
class Directory(AtPath):
    """A directory with its owner, group and mode; parents are made as root, 0755."""

    accepts: ClassVar[Mapping[int, str]] = MappingProxyType({0: "answered", 1: "no such path"})

    owner: str = "root"
    group: str = "root"
    mode: int = 0o755

    @property
    def name(self) -> str:
        return f"directory {self.path}"

    def probe(self) -> str:
        return f"[ -e {quote(self.path)} ] || exit 1\n{_STAT} -- {quote(self.path)}"

    @property
    def batch(self) -> Together:
        return Together()

    def read(self, answer: Answer) -> State:
        return ABSENT if answer.code == 1 else _read_stat(answer.output.strip())

    def desired(self) -> State:
        return {
            "kind": "directory",
            "mode": f"{self.mode:04o}",
            "owner": self.owner,
            "group": self.group,
        }

    def fix(self, differences: Differences, actual: State) -> str:
        ownership = _fix_ownership(quote(self.path), self.owner, self.group, self.mode)
        moved = _moved(self.path, "a link", "a folder")
        return (
            f"[ ! -L {quote(self.path)} ] || {moved}\nmkdir -p -- {quote(self.path)}\n{ownership}"
        )


@dataclass(frozen=True)
class File(AtPath):
    """A file with exactly this content.

    content: the rendered text.
    sensitive: never shown in a diff or a log; only its hash is compared.
    after: shell to run once the file has changed.
    """

    accepts: ClassVar[Mapping[int, str]] = MappingProxyType({0: "answered", 1: "no such file"})

    content: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    sensitive: bool = False
    after: str = ""

    @property
    def name(self) -> str:
        return f"file {self.path}"

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    def probe(self) -> str:
        path = self.place
        lines = [
            f"[ -e {path} ] || exit 1",
            f"{_STAT} -- {path}",
            f"[ -f {path} ] || exit 0",
            f"sha256sum <{path} | cut -d' ' -f1",
        ]
        if not self.sensitive:
            lines.append(f"head -c {LONGEST_SHOWN} -- {path} | base64 -w0")
        return "\n".join(lines)

    @property
    def batch(self) -> Together:
        return Together(digests=True, contents=not self.sensitive)

    def read(self, answer: Answer) -> State:
        if answer.code == 1:
            return ABSENT
        stat, *rest = answer.output.splitlines()
        state: dict[str, str | int | bool | None] = {**_read_stat(stat)}
        if rest:
            state["sha256"] = rest[0]
        if len(rest) > 1 and rest[1]:
            state["content"] = base64.b64decode(rest[1]).decode("utf-8", "replace")
        return state

    def desired(self) -> State:
        return {
            "kind": "file",
            "sha256": self.digest,
            "mode": f"{self.mode:04o}",
            "owner": self.owner,
            "group": self.group,
        }

    def fix(self, differences: Differences, actual: State) -> str:
        if "sha256" in differences or "kind" in differences:
            return self.write()
        return _fix_ownership(self.place, self.owner, self.group, self.mode)

    def write(self) -> str:
        """Return shell that writes the file.

        An atomic write: a reader sees all of the old content or all of the new. The mode is set
        before the content is written: a secret is never readable by others.
        """
        path, new = self.place, f"{self.place}.onecard-new"
        encoded = base64.b64encode(self.content.encode()).decode()
        lines = [
            f'mkdir -p -- "$(dirname {path})"',
            f"rm -rf -- {new}",
            f"install -m {self.mode:04o} -o {self.owner} -g {self.group} /dev/null {new}",
            f"base64 -d >{new} <<'@end'\n{encoded}\n@end",
            f"mv -T -- {new} {path}",
            self.after,
        ]
        return "\n".join(filter(None, lines))

    def digest_probe(self, key: str) -> str:
        """Return shell that prints `KEY=SHA256` of what the box has, or nothing."""
        path = self.place
        return f'[ ! -f {path} ] || {{ sum=$(sha256sum <{path}); echo "{key}=${{sum%% *}}"; }}'

    def explain(self, differences: Differences, actual: State) -> tuple[str, ...]:
        if "sha256" not in differences or self.sensitive:
            return ()
        before = str(actual.get("content", ""))
        shown = difflib.unified_diff(
            before.splitlines(),
            self.content.splitlines(),
            f"{self.path} (on the box)" if actual else "/dev/null",
            f"{self.path} (desired)",
            lineterm="",
        )
        return tuple(shown)


@dataclass(frozen=True)
class Link(Resource):
    """A symbolic link."""

    path: str
    target: str

    @property
    def name(self) -> str:
        return f"link {self.path}"

    def probe(self) -> str:
        return f"if [ -L {quote(self.path)} ]; then readlink -- {quote(self.path)}; fi"

    def read(self, answer: Answer) -> State:
        target = answer.output.strip()
        return {"target": target} if target else ABSENT

    def desired(self) -> State:
        return {"target": self.target}

    def fix(self, differences: Differences, actual: State) -> str:
        path, new = quote(self.path), quote(self.path + ".onecard-new")
        moved = _moved(self.path, "a folder", f"a link to {self.target}")
        return (
            f"[ -L {path} ] || [ ! -d {path} ] || {moved}\n"
            f"ln -sfnT -- {quote(self.target)} {new}\nmv -fT -- {new} {path}"
        )
