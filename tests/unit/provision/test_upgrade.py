"""What `invoke upgrade` clears up when the new environment did not come to be."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from onecard.errors import CommandError, UnreachableError
from onecard.inventory.host import Host
from onecard.inventory.lock import Lock, build_request
from onecard.provision.host_run import HostRun
from onecard.provision.upgrade import _switch
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.shell import Result

SETTINGS = Settings()
LOCK = Lock(
    asked=build_request(SETTINGS),
    vllm="0.33.0",
    torch="2.13.0",
    torchvision="0.28.0",
    cuda="cu130",
    python="3.12",
    packages={"vllm": "0.33.0", "torch": "2.13.0", "torchvision": "0.28.0"},
)


@pytest.mark.parametrize(
    ("trouble", "cleared"),
    [
        (CommandError("a check failed"), True),
        (UnreachableError("the connection was lost"), False),
        (KeyboardInterrupt(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_session_that_is_not_trusted_clears_nothing_up(
    tmp_path: Path, trouble: BaseException, cleared: bool
) -> None:
    scripts: list[str] = []

    def run(script: str) -> Result:
        scripts.append(script)
        return Result("", 0)

    def converge(*arguments: Any, **options: Any) -> None:
        raise trouble

    made = SimpleNamespace(
        converge=converge, session=SimpleNamespace(run=run), inventory=tmp_path / "inventory"
    )
    host = Host("a100-1", Connection("192.0.2.7"), SETTINGS)
    with pytest.raises(type(trouble)):
        _switch(cast(HostRun, made), host, LOCK, None)
    assert bool(scripts) is cleared
    assert not (tmp_path / "inventory").exists()  # the lock file has not moved
