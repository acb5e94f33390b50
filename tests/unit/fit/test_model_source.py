"""Which config a host's model has: the box's, the catalogue's, or the hub's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from onecard.fit.model_source import config_from_hub, shape_of
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.serve_settings import ModelSettings
from onecard.settings.settings import Settings
from tests.support.hub_server import HubServer, Model

TINY = Path(__file__).parents[3] / "onecard" / "tiny_model" / "tiny-vqa"
CONFIG = (TINY / "config.json").read_bytes()


def host(source: str) -> Host:
    return Host("a100-1", Connection("192.0.2.7"), Settings(model=ModelSettings(source=source)))


def test_the_hub_is_queried_only_for_a_model_that_is_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with HubServer({"some/public": Model({"config.json": CONFIG})}).serving("127.0.0.1") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        assert config_from_hub(host(str(TINY))) is None
        assert config_from_hub(host("Qwen/Qwen3.5-27B")) is None
        assert not hub.requests
        assert config_from_hub(host("some/public")) == json.loads(CONFIG)
        # Without weights on the hub the formulas count; here the checkpoint lies in the folder.
        assert shape_of("some/public") == replace(shape_of(str(TINY)), stored_bytes=None)
        assert sum(path.endswith("config.json") for path in hub.requests) == 2
