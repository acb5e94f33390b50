"""Download a model of the Hugging Face hub: resumed where it was, verified when complete.

Runs on the box with its own Python (>= 3.9). huggingface_hub is not used here: version 2 throws a
file away that was broken off (_download_to_tmp_and_move in its file_download.py: "do not keep a
partial file around"), so that each shard of 5 GB that a lost connection met begins anew.

The hub is asked by the routes that huggingface_hub uses: /api/models/NAME/revision/REV?blobs=true
for the commit, the files, their sizes and digests; /NAME/resolve/COMMIT/FILE with Range: for the
bytes. Progress goes out as lines `@onecard-progress SHARE TEXT`; what goes wrong as a last line
`error: ...` with exit code 1. `Note` says what is kept beside the files; `loaded` which files of a
repository are left out.

With --ask it only asks what a download could be refused for, and changes nothing.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import http.client
import json
import os
import queue
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

NOTE = ".onecard-revision"
PARTIAL = ".onecard-partial"
_GIB = 2**30
_SPARE = 256 * 2**20  # bytes that are left free on the disk
_AT_ONCE = 4  # files
_CHUNK = 2**20
_TIMEOUT = 30  # s without a byte
_FRUITLESS = 6  # tries in a row that bring no byte
_PATIENCE = 30.0  # s in which a hub that is too busy to answer is asked again
# fnmatch's * spans folders, as it does for vLLM.
_NEVER_LOADED = ("original/*", "*.pth", "*.h5", "*.msgpack")
_NOT_BESIDE_SAFETENSORS = ("*.bin", "*.gguf")


class DownloadError(Exception):
    """What went wrong, in one line."""


@dataclass(frozen=True)
class Wanted:
    """A file of the repository.

    digest: `sha256:...` of its bytes for a large file (LFS), `git:...`, its blob's name, else.
    """

    path: str
    size: int
    digest: str


@dataclass(frozen=True)
class Repository:
    """A model at one commit."""

    commit: str
    files: tuple[Wanted, ...]


class Hub:
    """Asks the hub, and says in one line what it refuses."""

    def __init__(self, endpoint: str, model: str, revision: str, token: str) -> None:
        self.endpoint, self.model, self.revision = endpoint, model, revision
        self._token = token

    def repository(self) -> Repository:
        """Return the commit and the files that vLLM loads of the wanted revision."""
        revision = urllib.parse.quote(self.revision or "main", safe="")
        path = f"/api/models/{self.model}/revision/{revision}?blobs=true"

        def ask() -> Any:
            with self._open(path) as answer:
                return json.loads(answer.read())

        told = _patiently(ask)
        return Repository(told["sha"], loaded([_wanted(entry) for entry in told["siblings"]]))

    def may_read(self, commit: str, file: Wanted) -> None:
        """Raise DownloadError when a file is not to be had: anybody may know a gated one's name."""
        url = self._resolve(commit, file)
        _patiently(lambda: self._open(url, method="HEAD", follow=False).close())

    def read(self, commit: str, file: Wanted, start: int) -> Any:
        """Return the answer with a file's bytes from `start` on."""
        return self._open(self._resolve(commit, file), headers={"Range": f"bytes={start}-"})

    def _resolve(self, commit: str, file: Wanted) -> str:
        return f"/{self.model}/resolve/{commit}/{urllib.parse.quote(file.path)}"

    def _open(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        follow: bool = True,
    ) -> Any:
        request = urllib.request.Request(self.endpoint + path, method=method)  # noqa: S310
        request.add_header("User-Agent", "onecard")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        if self._token:
            # Unredirected: the bytes come from another host, which must not see the token.
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        opener = urllib.request.build_opener(_SameHost if follow else _NoRedirect)
        try:
            return opener.open(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code < 400:  # the way to the bytes: there are some
                return error
            if error.code >= 500 or error.code == 429:
                raise
            raise DownloadError(self._refusal(error)) from None

    def _refusal(self, error: urllib.error.HTTPError) -> str:
        code = error.headers.get("X-Error-Code", "")
        page = f"{self.endpoint}/{self.model}"
        if code == "RevisionNotFound":
            return f"{self.model} has no revision {self.revision!r}; see {page}/tree/main"
        if error.code == 403:
            return (
                f"{self.model} is gated and this token's account has no access (403): accept its "
                f"licence at {page}, wait until that is granted, and run this again"
            )
        if error.code == 401 and self._token:
            return (
                "the hub does not accept the token (401); give a valid one: "
                "invoke secret set --name hf-token (or HF_TOKEN)"
            )
        if error.code == 401 and code == "GatedRepo":
            return (
                f"{self.model} is gated and there is no token (401): accept its licence at {page}, "
                "make a read token there, then: invoke secret set --name hf-token (or HF_TOKEN)"
            )
        if error.code in (401, 404):
            private = "" if self._token else ", or it is private and there is no token"
            return f"there is no model {self.model} at {self.endpoint}{private}"
        return f"{self.endpoint} answered {error.code} {error.reason} for {self.model}"


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows redirects; the token goes along only to the host that it was meant for."""

    def redirect_request(self, req: urllib.request.Request, *more: Any) -> Any:
        """Return the request for where an answer points to."""
        new = super().redirect_request(req, *more)
        token = req.get_header("Authorization")
        if new is not None and token and new.host == req.host and new.type == req.type:
            new.add_unredirected_header("Authorization", token)
        return new


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect."""

    def redirect_request(self, *arguments: Any) -> None:
        """Refuse."""


def _wanted(entry: dict[str, Any]) -> Wanted:
    path = entry["rfilename"]
    if path.startswith("/") or ".." in path.split("/"):
        raise DownloadError(f"the hub names a file outside of the model's folder: {path!r}")
    lfs = entry.get("lfs")
    digest = f"sha256:{lfs['sha256']}" if lfs else f"git:{entry['blobId']}"
    return Wanted(path, int(lfs["size"] if lfs else entry["size"]), digest)


def loaded(files: list[Wanted]) -> tuple[Wanted, ...]:
    """Return the files without the weights that vLLM does not load.

    As vLLM chooses (config/load.py: ignore_patterns "original/**/*"; _prepare_weights in
    model_loader/default_loader.py, load_format auto): safetensors before *.bin, and of these
    `consolidated*.safetensors` alone where there are some. Of other formats it knows none but GGUF,
    by a file's name.
    """
    weights = {file.path for file in files if fnmatch.fnmatchcase(file.path, "*.safetensors")}
    weights = {path for path in weights if "/" not in path}
    consolidated = {path for path in weights if path.startswith("consolidated")}
    patterns = _NEVER_LOADED + (_NOT_BESIDE_SAFETENSORS if weights else ())
    twice = weights - consolidated if consolidated else set()
    return tuple(
        file
        for file in files
        if file.path not in twice
        and not any(fnmatch.fnmatchcase(file.path, pattern) for pattern in patterns)
    )


def digest_of(path: Path, like: str) -> str:
    """Return a file's digest, of the kind that `like` is of."""
    if like.startswith("git:"):
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    else:
        digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return f"{like.partition(':')[0]}:{digest.hexdigest()}"


class Note:
    """The file beside the model that says what of it has been verified, and for which commit.

    `file=DIGEST SIZE MTIME PATH` for each file when it was verified; `commit=` and `asked=` (what
    was asked for) once all of them are. A file that has another size or time is verified anew.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NOTE
        self._lock = threading.Lock()
        self._rows: dict[str, tuple[str, str, str]] = {}
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        for line in lines:
            key, _, value = line.partition("=")
            if key == "file" and value.count(" ") >= 3:
                digest, size, mtime, path = value.split(" ", 3)
                self._rows[path] = (digest, size, mtime)

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the files that it knows."""
        return tuple(self._rows)

    def vouches_for(self, file: Wanted) -> bool:
        """Tell whether the file lies there as it was when it was verified."""
        target = self._folder / file.path
        return target.is_file() and self._rows.get(file.path) == _row(target, file.digest)

    def add(self, file: Wanted) -> None:
        """Note that a file has been verified."""
        with self._lock:
            self._rows[file.path] = _row(self._folder / file.path, file.digest)
            self._write("")

    def remove(self, path: str) -> None:
        """Forget a file and take it away."""
        with self._lock:
            self._rows.pop(path, None)
            self._write("")
        (self._folder / path).unlink(missing_ok=True)

    def close(self, commit: str, asked: str) -> None:
        """Note that all is there."""
        self._write(f"commit={commit}\nasked={asked}\n")

    def _write(self, end: str) -> None:
        rows = "".join(f"file={' '.join(row)} {path}\n" for path, row in self._rows.items())
        new = self._path.with_suffix(".new")
        new.write_text(rows + end)
        new.replace(self._path)


def _row(target: Path, digest: str) -> tuple[str, str, str]:
    found = target.stat()
    return digest, str(found.st_size), str(int(found.st_mtime))


class Progress:
    """Says how far the download is: bytes, rate over the last seconds, time left."""

    _WINDOW = 10.0  # s

    def __init__(self, total: int, done: int) -> None:
        self.total, self.done = total, done
        self._lock = threading.Lock()
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), done)])

    def add(self, count: int) -> None:
        """Count bytes; fewer than none when a file has to begin anew."""
        with self._lock:
            self.done += count

    def say(self) -> None:
        """Print a line."""
        now = time.monotonic()
        self._seen.append((now, self.done))
        while now - self._seen[0][0] > self._WINDOW:
            self._seen.popleft()
        began, before = self._seen[0]
        rate = max(self.done - before, 0) / max(now - began, 0.001)
        text = f"{_size(self.done)} of {_size(self.total)}, {_size(int(rate))}/s"
        if rate > 0 and self.done < self.total:
            text += f", {_duration((self.total - self.done) / rate)} left"
        print(f"@onecard-progress {self.done / max(self.total, 1):.4f} {text}", flush=True)


class Download:
    """One model into one folder.

    check: shell that says, by its exit code and a line `trouble=...`, whether the model's
        config.json is one that vLLM can serve; empty for none. It runs before the large files.
    """

    def __init__(self, hub: Hub, folder: Path, check: str = "") -> None:
        self._hub = hub
        self._folder = folder
        self._check = check
        self._stop = threading.Event()

    def ask(self, other: Path, other_size: int) -> None:
        """Raise DownloadError for whatever a download would be refused for; change nothing.

        other: what is installed besides; where it is not there yet, and would lie on the same disk,
        the disk needs other_size bytes more.
        """
        repository = self._hub.repository()
        missing = [file for file in repository.files if not (self._folder / file.path).exists()]
        place, others = _existing(self._folder), _existing(other)
        besides = (
            0 if others == other or others.stat().st_dev != place.stat().st_dev else other_size
        )
        self._admit(repository, missing, besides)
        total = sum(file.size for file in repository.files)
        print(f"{len(repository.files)} files, {_size(total)}, to be had at {repository.commit}")

    def run(self) -> None:
        """Bring the folder to the repository's files. Raises DownloadError."""
        repository = self._hub.repository()
        total = sum(file.size for file in repository.files)
        wanted = {file.path for file in repository.files}
        missing = self._missing(repository)
        left = self._admit(repository, missing)
        self._folder.mkdir(parents=True, exist_ok=True)
        note = Note(self._folder)
        progress = Progress(total, total - left)
        progress.say()
        config = [file for file in missing if file.path == "config.json"]
        self._fetch_all(repository.commit, config, note, progress)
        if missing and self._check:
            self._judge()
        rest = [file for file in missing if file not in config]
        self._fetch_all(repository.commit, rest, note, progress)
        for path in note.paths:
            if path not in wanted:  # of an older revision: vLLM would read it along with the others
                note.remove(path)
        note.close(repository.commit, self._hub.revision)
        progress.say()
        print(f"{len(wanted)} files, {_size(total)}, verified at {repository.commit}")

    def _admit(self, repository: Repository, missing: list[Wanted], besides: int = 0) -> int:
        """Return how many bytes are left to bring. Raises DownloadError if they may not, or cannot.

        besides: bytes that the disk needs for other things.
        """
        left = sum(file.size - self._partial_size(file) for file in missing)
        if missing:
            self._check_room(left, sum(file.size for file in repository.files), besides)
            self._hub.may_read(repository.commit, max(missing, key=lambda file: file.size))
        return left

    def _judge(self) -> None:
        done = subprocess.run(
            ["sh", "-c", self._check], check=False, capture_output=True, text=True
        )
        for line in done.stdout.splitlines():
            if line.startswith("trouble="):
                raise DownloadError(f"{line[8:]} (nothing but config.json was downloaded)")
        if done.returncode != 0:
            raise DownloadError(f"the check of config.json failed: {done.stderr[-300:]}")

    def _missing(self, repository: Repository) -> list[Wanted]:
        """Return the files that are not there as they should be; wrong ones are taken away."""
        if not self._folder.exists():
            return list(repository.files)
        note = Note(self._folder)
        missing = []
        for file in repository.files:
            target = self._folder / file.path
            if note.vouches_for(file):
                continue
            if target.is_file() and target.stat().st_size == file.size:
                print(f"verifying {file.path}", flush=True)
                if digest_of(target, file.digest) == file.digest:
                    note.add(file)
                    continue
            if target.exists():
                print(f"{file.path} is not what the hub has: it is fetched anew", flush=True)
                note.remove(file.path)
            missing.append(file)
        return missing

    def _check_room(self, left: int, total: int, besides: int) -> None:
        place = _existing(self._folder)
        room = os.statvfs(place)
        free = room.f_bavail * room.f_frsize
        needed = left + besides + _SPARE
        if free < needed:
            there = f", {_size(total - left)} of it are there" if left < total else ""
            vllm = f", vLLM up to {_size(besides)}" if besides else ""
            raise DownloadError(
                f"{self._hub.model} takes {_size(total)}{there}{vllm}, and {place} has "
                f"{_size(free)} free: make room for {_size(needed - free)} more, or rent a larger "
                "disk"
            )

    def _fetch_all(
        self, commit: str, missing: list[Wanted], note: Note, progress: Progress
    ) -> None:
        jobs: queue.SimpleQueue[Wanted] = queue.SimpleQueue()
        for file in sorted(missing, key=lambda file: -file.size):
            jobs.put(file)
        errors: list[Exception] = []

        def work() -> None:
            while not self._stop.is_set():
                try:
                    file = jobs.get_nowait()
                except queue.Empty:
                    return
                try:
                    self._fetch(commit, file, progress.add)
                    note.add(file)
                except Exception as error:  # told by the main thread
                    errors.append(error)
                    self._stop.set()

        threads = [threading.Thread(target=work, daemon=True) for _ in range(_AT_ONCE)]
        for thread in threads:
            thread.start()
        while alive := [thread for thread in threads if thread.is_alive()]:
            alive[0].join(1.0)
            progress.say()
        if errors:
            raise errors[0]

    def _fetch(self, commit: str, file: Wanted, count: Callable[[int], None]) -> None:
        """Bring one file, and see that it is the right one."""
        target = self._folder / file.path
        partial = target.with_name(target.name + PARTIAL)
        target.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            self._bytes(commit, file, partial, count)
            if self._stop.is_set():
                return
            if digest_of(partial, file.digest) == file.digest:
                partial.replace(target)
                return
            count(-partial.stat().st_size)
            partial.unlink()
        raise DownloadError(
            f"{file.path} came twice with other bytes than the hub's own digest says: the mirror "
            "or the network garbles it"
        )

    def _bytes(
        self, commit: str, file: Wanted, partial: Path, count: Callable[[int], None]
    ) -> None:
        """Bring a file's bytes from where they end, over as many connections as it takes."""
        fruitless = 0
        partial.touch()
        while partial.stat().st_size < file.size and not self._stop.is_set():
            before = partial.stat().st_size
            try:
                self._one_connection(commit, file, partial, count)
                trouble = "it ended early"
            except (OSError, http.client.HTTPException) as error:
                if not _of_network(error):
                    raise
                trouble = _reason(error)
            fruitless = 0 if partial.stat().st_size > before else fruitless + 1
            if fruitless >= _FRUITLESS:
                raise DownloadError(f"the download of {file.path} breaks off: {trouble}")
            self._stop.wait(min(2.0**fruitless - 1, 20.0))

    def _one_connection(
        self, commit: str, file: Wanted, partial: Path, count: Callable[[int], None]
    ) -> None:
        start = partial.stat().st_size
        with self._hub.read(commit, file, start) as answer, partial.open("ab") as stream:
            if answer.status != 206:  # the whole file comes, whatever was asked for
                count(-start)
                stream.truncate(0)
            while not self._stop.is_set() and (chunk := answer.read1(_CHUNK)):
                stream.write(chunk)
                count(len(chunk))
            if stream.tell() > file.size:
                count(file.size - stream.tell())
                stream.truncate(file.size)

    def _partial_size(self, file: Wanted) -> int:
        target = self._folder / file.path
        partial = target.with_name(target.name + PARTIAL)
        return min(partial.stat().st_size, file.size) if partial.is_file() else 0


def _existing(path: Path) -> Path:
    """Return the nearest folder above, or the path itself, that is there."""
    while not path.exists():
        path = path.parent
    return path


def _patiently(ask: Callable[[], Any]) -> Any:
    """Return what a question gives; a hub that answers "too busy", or hangs up, is asked again."""
    deadline, pause = time.monotonic() + _PATIENCE, 0.5
    while True:
        try:
            return ask()
        except (urllib.error.HTTPError, http.client.HTTPException, ConnectionError):
            if time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause *= 2


def _of_network(error: Exception) -> bool:
    kinds = (urllib.error.URLError, http.client.HTTPException, ssl.SSLError)
    return isinstance(error, (*kinds, ConnectionError, TimeoutError))


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return " ".join(str(reason).split()) or type(error).__name__


def _size(count: int) -> str:
    for unit, size in (("GiB", _GIB), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _take(token_file: str) -> str:
    """Return the token and remove its file, so that it outlives neither success nor a kill."""
    path = Path(token_file)
    if not token_file or not path.exists():
        return ""
    token = path.read_text().strip()
    path.unlink()
    return token


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", flush=True)
    # Threads may still wait for a byte; there is nothing left for them to do.
    os._exit(1)


def main(arguments: list[str]) -> int:
    """Download, and return 0; leave with 1 after a line that says why not."""
    parser = argparse.ArgumentParser()
    for name in ("endpoint", "model", "folder"):
        parser.add_argument(name)
    parser.add_argument("--revision", default="")
    parser.add_argument("--token-file", default="")
    parser.add_argument("--check", default="")
    parser.add_argument("--ask", metavar="OTHER", default="")
    parser.add_argument("--other-size", type=int, default=0)
    given = parser.parse_args(arguments)
    hub = Hub(given.endpoint, given.model, given.revision, _take(given.token_file))
    try:
        download = Download(hub, Path(given.folder), given.check)
        if given.ask:
            download.ask(Path(given.ask), given.other_size)
        else:
            download.run()
    except DownloadError as error:
        _fail(str(error))
    except urllib.error.HTTPError as error:
        more = "; with a token it allows more: invoke secret set --name hf-token"
        _fail(
            f"the hub at {given.endpoint} answers {error.code} {error.reason}: run this again later"
            f"{more if error.code == 429 else ''}"
        )
    except Exception as error:
        if _of_network(error):
            _fail(
                f"the hub cannot be reached at {given.endpoint} ({_reason(error)}); check the "
                "box's network, or set hub.endpoint to a mirror, or model.source to a local folder"
            )
        if isinstance(error, OSError):
            _fail(f"{error.filename or given.folder}: {error.strerror or error}")
        _fail(f"{given.endpoint} does not answer as the Hugging Face hub does ({error!r})")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
