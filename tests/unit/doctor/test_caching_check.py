"""Whether doctor warns of a server that reuses nothing of earlier prompts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onecard.doctor.caching_check import prefix_caching
from onecard.inventory.host import Host
from onecard.server.state import read_state
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings

DEPLOYED = read_state("LoadState=loaded\nActiveState=active\n")


@pytest.mark.parametrize(
    ("version", "words", "status", "message"),
    [
        ("0.25.1", (), "warning", "prefix caching is off, as this vLLM comes for this model"),
        ("0.25.1", ("--enable-prefix-caching",), "ok", "on, as deployed"),
        ("0.32.0", (), "ok", "on"),
        ("0.32.0", ("--no-enable-prefix-caching",), "ok", "off, as deployed"),
    ],
)
def test_the_command_line_decides_then_the_release(
    version: str, words: tuple[str, ...], status: str, message: str
) -> None:
    settings = Settings.model_validate({"vllm": {"channel": "release", "version": version}})
    host = Host("h100-1", Connection("192.0.2.7"), settings)
    check = prefix_caching(host, replace(DEPLOYED, words=("vllm", "serve", *words)))
    assert (check.name, check.status) == ("prefix caching", status)
    assert check.message.startswith(message)
    assert ("invoke deploy --host h100-1 --enable-prefix-caching" in check.fix) == (
        status == "warning"
    )
    absent = prefix_caching(host, read_state(""))
    assert (absent.status, absent.message) == ("ok", "no server is deployed yet")
