"""Which revision of a model a host gets: the lock's, where it is of this model."""

from __future__ import annotations

import pytest

from onecard import served_model
from onecard.inventory.host import Host
from onecard.inventory.lock import Lock, build_request
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("source", "revision", "locked", "wanted"),
    [
        ("acme/tiny", "", "acme/tiny@", COMMIT),
        ("acme/tiny", "v1", "acme/tiny@v1", COMMIT),
        ("acme/tiny", "v2", "acme/tiny@v1", "v2"),
        ("acme/other", "", "acme/tiny@", ""),
        ("acme/tiny", "", "", ""),
        ("acme/tiny", "v1", None, "v1"),
    ],
)
def test_revision(source: str, revision: str, locked: str | None, wanted: str) -> None:
    settings = Settings.model_validate({"model": {"source": source, "revision": revision}})
    lock = None
    if locked is not None:
        lock = Lock(
            asked=build_request(settings),
            vllm="0.33.0",
            torch="2.13.0",
            torchvision="0.28.0",
            cuda="cu130",
            python="3.12",
            packages={"vllm": "0.33.0", "torch": "2.13.0", "torchvision": "0.28.0"},
            model=locked,
            model_revision=COMMIT,
        )
    host = Host("a100-1", Connection("192.0.2.7"), settings, lock=lock)
    assert served_model.revision(host) == wanted


def test_a_local_folder_has_no_revision() -> None:
    settings = Settings.model_validate({"model": {"source": "./onecard/tiny_model/tiny-vqa"}})
    assert served_model.hub_reference(Host("box1", Connection("192.0.2.7"), settings)) == ""
