"""A repository of the hub at one commit: the files that vLLM loads, and their bytes."""

from __future__ import annotations

import fnmatch
import http.client
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_TIMEOUT = 30  # s without a byte


_RETRY_S = 30.0  # seconds of retries for a hub that is too busy to answer


# fnmatch's * spans folders, as it does for vLLM.
_NEVER_LOADED = ("original/*", "*.pth", "*.h5", "*.msgpack")


_NOT_BESIDE_SAFETENSORS = ("*.bin", "*.gguf")


class DownloadError(Exception):
    """The download failed; the message is one line."""


@dataclass(frozen=True)
class RepositoryFile:
    """A file of the repository.

    digest: `sha256:...` of its bytes for a large file (LFS), else `git:...`, its blob's name.
    """

    path: str
    size: int
    digest: str


@dataclass(frozen=True)
class Repository:
    """A model at one commit."""

    commit: str
    files: tuple[RepositoryFile, ...]


class Hub:
    """A client of the hub; its errors are one line each."""

    def __init__(self, endpoint: str, model: str, revision: str, token: str) -> None:
        self.endpoint, self.model, self.revision = endpoint, model, revision
        self._token = token

    def repository(self) -> Repository:
        """Return the requested revision's commit, and the files that vLLM loads."""
        revision = urllib.parse.quote(self.revision or "main", safe="")
        path = f"/api/models/{self.model}/revision/{revision}?blobs=true"

        def request() -> Any:
            with self._open(path) as answer:
                return json.loads(answer.read())

        info = _with_retries(request)
        return Repository(info["sha"], loaded([_wanted(entry) for entry in info["siblings"]]))

    def check_access(self, commit: str, file: RepositoryFile) -> None:
        """Raise DownloadError if a file cannot be read: a gated repository still lists them."""
        url = self._resolve(commit, file)
        _with_retries(lambda: self._open(url, method="HEAD", follow=False).close())

    def read(self, commit: str, file: RepositoryFile, start: int) -> Any:
        """Return the response with a file's bytes from `start` on."""
        return self._open(self._resolve(commit, file), headers={"Range": f"bytes={start}-"})

    def _resolve(self, commit: str, file: RepositoryFile) -> str:
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
            if error.code < 400:  # a redirect to the bytes: the file is readable
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
    """Follows redirects; sends the token to the original host only."""

    def redirect_request(self, req: urllib.request.Request, *more: Any) -> Any:
        """Return the redirected request."""
        new = super().redirect_request(req, *more)
        token = req.get_header("Authorization")
        if new is not None and token and new.host == req.host and new.type == req.type:
            new.add_unredirected_header("Authorization", token)
        return new


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect."""

    def redirect_request(self, *arguments: Any) -> None:
        """Refuse."""


def _wanted(entry: dict[str, Any]) -> RepositoryFile:
    path = entry["rfilename"]
    if path.startswith("/") or ".." in path.split("/"):
        raise DownloadError(f"the hub names a file outside of the model's folder: {path!r}")
    lfs = entry.get("lfs")
    digest = f"sha256:{lfs['sha256']}" if lfs else f"git:{entry['blobId']}"
    return RepositoryFile(path, int(lfs["size"] if lfs else entry["size"]), digest)


def loaded(files: list[RepositoryFile]) -> tuple[RepositoryFile, ...]:
    """Return the files without the weights that vLLM does not load.

    As vLLM chooses (config/load.py: ignore_patterns "original/**/*"; _prepare_weights in
    model_loader/default_loader.py, load_format auto): safetensors before *.bin, and of these
    `consolidated*.safetensors` alone if there are any. GGUF is the only other format that it loads,
    by file name.
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


def _with_retries(request: Callable[[], Any]) -> Any:
    """Return a request's result; retry while the hub is too busy or closes the connection."""
    deadline, pause = time.monotonic() + _RETRY_S, 0.5
    while True:
        try:
            return request()
        except (urllib.error.HTTPError, http.client.HTTPException, ConnectionError):
            if time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause *= 2


def of_network(error: Exception) -> bool:
    """Return whether an exception is a network error."""
    kinds = (urllib.error.URLError, http.client.HTTPException, ssl.SSLError)
    return isinstance(error, (*kinds, ConnectionError, TimeoutError))


def reason_of(error: Exception) -> str:
    """Return an exception's reason in one line."""
    reason = getattr(error, "reason", None) or error
    return " ".join(str(reason).split()) or type(error).__name__
