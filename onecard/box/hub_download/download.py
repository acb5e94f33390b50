"""Download a model of the Hugging Face hub: resumable, verified when complete.

Runs on the box with its own Python (>= 3.9). huggingface_hub is not used here: version 2 deletes a
partial file (_download_to_tmp_and_move in its file_download.py: "do not keep a partial file
around"), so that after a lost connection each shard of 5 GB is downloaded from its start again.

Requests use the same routes as huggingface_hub: /api/models/NAME/revision/REV?blobs=true
for the commit, the files, their sizes and digests; /NAME/resolve/COMMIT/FILE with Range: for the
bytes. Progress is printed as lines `@onecard-progress SHARE TEXT`, an error as a last line
`error: ...` with exit code 1. `Note` defines the file of verified digests; `loaded` selects the
files of a repository.

--ask is a dry run: it checks access and disk space, and changes nothing.
"""

from __future__ import annotations

import http.client
import os
import queue
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from onecard.box.hub_download.note import CHUNK, Note, digest_of
from onecard.box.hub_download.progress import DownloadProgress, size_text
from onecard.box.hub_download.repository import (
    DownloadError,
    Hub,
    Repository,
    RepositoryFile,
    of_network,
    reason_of,
)

PARTIAL = ".onecard-partial"
_SPARE = 256 * 2**20  # bytes to leave free on the disk
_PARALLEL = 4  # files
_MOST_FAILURES = 6  # attempts in a row without a byte


class Download:
    """One model into one folder.

    check: shell that reports, by its exit code and a line `trouble=...`, whether vLLM can serve
        the model's config.json; empty for no check. It runs before the large downloads.
    """

    def __init__(self, hub: Hub, folder: Path, check: str = "") -> None:
        self._hub = hub
        self._folder = folder
        self._check = check
        self._stop = threading.Event()

    def dry_run(self, other: Path, other_size: int) -> None:
        """Check access and disk space; change nothing. Raises DownloadError as `run` would.

        other: folder of another installation; if it does not exist yet and would be on the same
        disk, the disk needs other_size bytes more.
        """
        repository = self._hub.repository()
        missing = [file for file in repository.files if not (self._folder / file.path).exists()]
        place, others = _existing(self._folder), _existing(other)
        besides = (
            0 if others == other or others.stat().st_dev != place.stat().st_dev else other_size
        )
        self._check_access_and_space(repository, missing, besides)
        total = sum(file.size for file in repository.files)
        print(
            f"{len(repository.files)} files, {size_text(total)}, available at {repository.commit}"
        )

    def run(self) -> None:
        """Download the repository's files to the folder. Raises DownloadError."""
        repository = self._hub.repository()
        total = sum(file.size for file in repository.files)
        wanted = {file.path for file in repository.files}
        missing = self._missing(repository)
        left = self._check_access_and_space(repository, missing)
        self._folder.mkdir(parents=True, exist_ok=True)
        note = Note(self._folder)
        progress = DownloadProgress(total, total - left)
        progress.print_line()
        config = [file for file in missing if file.path == "config.json"]
        self._fetch_all(repository.commit, config, note, progress)
        if missing and self._check:
            self._check_config()
        rest = [file for file in missing if file not in config]
        self._fetch_all(repository.commit, rest, note, progress)
        for path in note.paths:
            if path not in wanted:  # of an older revision: vLLM would load it too
                note.remove(path)
        note.close(repository.commit, self._hub.revision)
        progress.print_line()
        print(f"{len(wanted)} files, {size_text(total)}, verified at {repository.commit}")

    def _check_access_and_space(
        self, repository: Repository, missing: list[RepositoryFile], besides: int = 0
    ) -> int:
        """Return the number of bytes to download. Raises DownloadError without access or space.

        besides: bytes that the disk needs for something else.
        """
        left = sum(file.size - self._partial_size(file) for file in missing)
        if missing:
            self._check_space(left, sum(file.size for file in repository.files), besides)
            self._hub.check_access(repository.commit, max(missing, key=lambda file: file.size))
        return left

    def _check_config(self) -> None:
        done = subprocess.run(
            ["sh", "-c", self._check], check=False, capture_output=True, text=True
        )
        for line in done.stdout.splitlines():
            if line.startswith("trouble="):
                raise DownloadError(f"{line[8:]} (nothing but config.json was downloaded)")
        if done.returncode != 0:
            raise DownloadError(f"the check of config.json failed: {done.stderr[-300:]}")

    def _missing(self, repository: Repository) -> list[RepositoryFile]:
        """Return the files that are missing or differ from the hub's; remove those that differ."""
        if not self._folder.exists():
            return list(repository.files)
        note = Note(self._folder)
        missing = []
        for file in repository.files:
            target = self._folder / file.path
            if note.is_verified(file):
                continue
            if target.is_file() and target.stat().st_size == file.size:
                print(f"verifying {file.path}", flush=True)
                if digest_of(target, file.digest) == file.digest:
                    note.add(file)
                    continue
            if target.exists():
                print(f"{file.path} differs from the hub's file: downloading it again", flush=True)
                note.remove(file.path)
            missing.append(file)
        return missing

    def _check_space(self, left: int, total: int, besides: int) -> None:
        place = _existing(self._folder)
        room = os.statvfs(place)
        free = room.f_bavail * room.f_frsize
        needed = left + besides + _SPARE
        if free < needed:
            present = (
                f", {size_text(total - left)} of it already downloaded" if left < total else ""
            )
            vllm = f", vLLM up to {size_text(besides)}" if besides else ""
            raise DownloadError(
                f"{self._hub.model} takes {size_text(total)}{present}{vllm}, and {place} has "
                f"{size_text(free)} free: make room for {size_text(needed - free)} more, or rent "
                "a larger disk"
            )

    def _fetch_all(
        self, commit: str, missing: list[RepositoryFile], note: Note, progress: DownloadProgress
    ) -> None:
        jobs: queue.SimpleQueue[RepositoryFile] = queue.SimpleQueue()
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
                except Exception as error:  # raised in the main thread
                    errors.append(error)
                    self._stop.set()

        threads = [threading.Thread(target=work, daemon=True) for _ in range(_PARALLEL)]
        for thread in threads:
            thread.start()
        while alive := [thread for thread in threads if thread.is_alive()]:
            alive[0].join(1.0)
            progress.print_line()
        if errors:
            raise errors[0]

    def _fetch(self, commit: str, file: RepositoryFile, count: Callable[[int], None]) -> None:
        """Download one file and verify its digest."""
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
            f"{file.path} was downloaded twice and does not match the hub's digest: the mirror "
            "or the network corrupts it"
        )

    def _bytes(
        self, commit: str, file: RepositoryFile, partial: Path, count: Callable[[int], None]
    ) -> None:
        """Download the rest of a partial file, over as many connections as it takes."""
        failures = 0
        partial.touch()
        while partial.stat().st_size < file.size and not self._stop.is_set():
            before = partial.stat().st_size
            try:
                self._one_connection(commit, file, partial, count)
                trouble = "it ended early"
            except (OSError, http.client.HTTPException) as error:
                if not of_network(error):
                    raise
                trouble = reason_of(error)
            failures = 0 if partial.stat().st_size > before else failures + 1
            if failures >= _MOST_FAILURES:
                raise DownloadError(f"the download of {file.path} breaks off: {trouble}")
            self._stop.wait(min(2.0**failures - 1, 20.0))

    def _one_connection(
        self, commit: str, file: RepositoryFile, partial: Path, count: Callable[[int], None]
    ) -> None:
        start = partial.stat().st_size
        with self._hub.read(commit, file, start) as answer, partial.open("ab") as stream:
            if answer.status != 206:  # the server sends the whole file
                count(-start)
                stream.truncate(0)
            while not self._stop.is_set() and (chunk := answer.read1(CHUNK)):
                stream.write(chunk)
                count(len(chunk))
            if stream.tell() > file.size:
                count(file.size - stream.tell())
                stream.truncate(file.size)

    def _partial_size(self, file: RepositoryFile) -> int:
        target = self._folder / file.path
        partial = target.with_name(target.name + PARTIAL)
        return min(partial.stat().st_size, file.size) if partial.is_file() else 0


def _existing(path: Path) -> Path:
    """Return the path, or its nearest parent, that exists."""
    while not path.exists():
        path = path.parent
    return path
