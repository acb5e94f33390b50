"""The command line: download a model, or only check that the download is possible."""

from __future__ import annotations

import argparse
import os
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import NoReturn

from onecard.box.hub_download.download import Download
from onecard.box.hub_download.repository import DownloadError, Hub, of_network, reason_of


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
    # Threads may still wait for a byte; they have no more work.
    os._exit(1)


def main(arguments: list[str]) -> int:
    """Download and return 0; on a failure print one line with the reason and exit with 1."""
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
            download.dry_run(Path(given.ask), given.other_size)
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
        if of_network(error):
            _fail(
                f"the hub cannot be reached at {given.endpoint} ({reason_of(error)}); check the "
                "box's network, or set hub.endpoint to a mirror, or model.source to a local folder"
            )
        if isinstance(error, OSError):
            _fail(f"{error.filename or given.folder}: {error.strerror or error}")
        _fail(f"{given.endpoint} does not answer as the Hugging Face hub does ({error!r})")
    return 0
