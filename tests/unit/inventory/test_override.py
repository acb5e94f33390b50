"""A command's flags are as strict as the files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onecard.errors import UsageError
from onecard.inventory.host import Host
from onecard.inventory.override import override
from onecard.settings.connection import Connection
from onecard.settings.serve_settings import ModelSettings, ServeSettings
from onecard.settings.settings import Settings

HOST = Host(
    "box", Connection("203.0.113.1"), Settings(user="served", model=ModelSettings(name="m"))
)
FLAGS = {
    "serve.tensor_parallel": "--tp",
    "serve.ctx": "--ctx",
    "model.source": "--model",
    "serve.port": "--port",
}


def test_override_changes_what_it_names_and_nothing_else() -> None:
    changed = override(HOST, {"serve.ctx": 65536, "service_user": "other"}, FLAGS)
    serve = ServeSettings(ctx=65536)
    assert changed == replace(
        HOST, settings=Settings(user="other", model=ModelSettings(name="m"), serve=serve)
    )
    assert HOST.settings.serve.ctx == 4096
    assert override(HOST, {}, FLAGS) is HOST


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"serve.ctx": "64q"},
            '--ctx: "64q": is not a number of tokens of at least 1, such as 65536, 128k or 1M',
        ),
        ({"serve.ctx": 0}, "--ctx: 0 is less than 1"),
        ({"serve.port": 70000, "serve.ctx": 0}, "--ctx: 0 is less than 1 (and 1 more)"),
        ({"serve.tensor_parallel": "two"}, '--tp: "two" is not a whole number or auto'),
        ({"serve.tensor_parallel": 0}, "--tp: 0 is less than 1"),
        ({"model.source": 5}, "--model: 5 is not text; put it in quotes"),
    ],
)
def test_an_override_error_names_the_flag(values: dict, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        override(HOST, values, FLAGS)
    assert caught.value.message == expected
