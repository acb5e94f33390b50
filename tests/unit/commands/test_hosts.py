"""`invoke hosts`: where each value is from, and hosts that ssh refuses beside the others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from invoke import Context

import tasks

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh here")


def rows(capsys: pytest.CaptureFixture[str], **flags: str) -> list[dict[str, Any]]:
    tasks.namespace["hosts"](Context(), json=True, **flags)
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["hosts"]
    return found


def test_arguments_of_the_inventory_are_named_and_what_ssh_refuses_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hosts.yml").write_text(
        "all:\n  hosts:\n    a: {ansible_ssh_common_args: '-o ProxyCommand=\"nc %h %p\"'}\n"
        "    b: {ansible_ssh_common_args: '-o NoSuch=1'}\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ONECARD_INVENTORY", str(tmp_path))
    (shown,) = rows(capsys, host="a")
    assert shown["proxy_command"] == "nc %h %p"
    place = f"{tmp_path.name}/hosts.yml: line 3: all.hosts.a.ansible_ssh_common_args"
    assert (shown["sources"]["hops"], shown["sources"]["keys"]) == (place, "default")
    refused = {row["host"]: row["refused"] for row in rows(capsys)}
    assert refused["a"] == ""
    assert refused["b"].startswith("ssh refuses its configuration: ")
