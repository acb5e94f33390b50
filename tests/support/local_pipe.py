"""A session's pipe to a real `sh` on this computer, confined to one folder."""

from __future__ import annotations

import base64
import gzip
import os
import re
import select
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from onecard.engine.job import FOLDER
from onecard.errors import UnreachableError
from onecard.facts import PROBES
from onecard.ssh.boot import HOLDER_FILE, LOCK_FILE
from onecard.ssh.shell import Request, Session

# systemd is what runs the services: its folders exist.
_MOVED = {
    LOCK_FILE: "lock", HOLDER_FILE: "holder", FOLDER: "job",
    "/run/systemd/system": ".", "/etc/systemd/system": "units",
}  # fmt: skip


class LocalPipe:
    """Runs the login command. The lock, its holder and the job's folder lie in `folder`.

    scripts: part of a script -> what to run in its place; early, requests: the (verb, payload) pairs
    that went with the command, and those sent so far.
    before: words in front of the shell's.
    """

    def __init__(
        self,
        command: str,
        folder: Path,
        scripts: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        self._scripts = scripts or {}
        self.early: list[tuple[str, str]] = []
        self.requests: list[tuple[str, str]] = []
        self.command = command
        self._process = subprocess.Popen(
            [*before, "sh", "-c", self._command_inside(command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )

    def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        rest = self._rewrite(data)
        try:
            while rest:
                rest = rest[self._process.stdin.write(rest) :]
        except BrokenPipeError as error:
            raise UnreachableError("the shell is gone") from error

    def read(self, timeout: float) -> bytes | None:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], timeout)[0]:
            return None
        return os.read(self._process.stdout.fileno(), 65536)

    def close(self) -> None:
        """End the shell and what it runs in the foreground."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def _command_inside(self, command: str) -> str:
        """Return the login command with every path inside the folder; its script is in base64."""
        before, encoded, after = re.split(r"([A-Za-z0-9+/=]{200,})", command, maxsplit=1)
        script = self._inside(base64.b64decode(encoded).decode())
        after, _, first = after.partition(" sh ")
        if first:
            requests = self._rewrite(gzip.decompress(base64.b64decode(first)))
            self.early, self.requests = self.requests, []
            after += f" sh {base64.b64encode(gzip.compress(requests)).decode()}"
        return before + base64.b64encode(script.encode()).decode() + after

    def _inside(self, text: str) -> str:
        for path, name in _MOVED.items():
            text = text.replace(path, str(self._folder / name))
        return text

    def _rewrite(self, data: bytes) -> bytes:
        """Return the requests with every path inside the folder; other input as it is."""
        done = b""
        while head := re.match(rb"(run|lock|put) (\d+)\n", data):
            verb, length, data = head[1].decode(), int(head[2]), data[head.end() :]
            path = b""
            if verb == "put":
                line, _, data = data.partition(b"\n")
                path = self._inside(line.decode()).encode() + b"\n"
            payload, data = data[:length], data[length:]
            text = payload.decode("utf-8", "surrogateescape")
            self.requests.append((verb, text))
            for probe, other in self._scripts.items():
                text = text.replace(probe, other)
            text = self._inside(text)
            payload = text.encode("utf-8", "surrogateescape")
            done += f"{verb} {len(payload)}\n".encode() + path + payload
        return done + data


class LocalBox:
    """This computer as a box: sessions over local pipes, with the lock and jobs in `folder`.

    facts: name -> output of the facts' probes; they are not asked of this computer. before: words
    in front of the shell's.
    """

    def __init__(
        self,
        folder: Path,
        facts: Mapping[str, Mapping[str, object]] | None = None,
        before: Sequence[str] = (),
    ):
        self.folder = folder
        self._before = before
        self.pipes: list[LocalPipe] = []
        self._scripts: dict[str, str] = {}
        for name, answer in (facts or {}).items():
            output = folder / f"facts-{name}"
            output.write_text(str(answer["output"]))
            self._scripts[PROBES[name].rstrip()] = f"cat '{output}'; exit {answer['code']}"

    def open(self, command: str) -> LocalPipe:
        """Start a shell, as Session's `open_pipe`."""
        pipe = LocalPipe(command, self.folder, self._scripts, before=self._before)
        self.pipes.append(pipe)
        return pipe

    def session(
        self, on_wait: Callable[[str], None] = lambda holder: None, first: Sequence[Request] = ()
    ) -> Session:
        """Return a new session, whose first requests go with its login; close() ends it."""
        return Session(
            self.open,
            first=first,
            become=False,
            on_wait=on_wait,
            command_timeout=20,
            idle_timeout=20,
        )

    def close(self) -> None:
        """End every shell."""
        for pipe in self.pipes:
            pipe.close()
