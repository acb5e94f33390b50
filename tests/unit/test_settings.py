"""Settings are strict, and a command's flags are as strict as the files."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from onecard.errors import UsageError
from onecard.host import Connection, Host
from onecard.override import override
from onecard.settings import ModelSettings, ServeSettings, Settings

HOST = Host(
    "box", Connection("203.0.113.1"), Settings(user="served", model=ModelSettings(name="m"))
)
FLAGS = {
    "serve.tensor_parallel": "--tp",
    "serve.ctx": "--ctx",
    "model.source": "--model",
    "serve.port": "--port",
}


def test_a_list_is_taken_for_a_tuple_and_an_int_for_a_float() -> None:
    serve = ServeSettings.model_validate({"extra_args": ["--x", "b"], "gpu_memory_utilization": 1})
    assert (serve.extra_args, serve.gpu_memory_utilization) == (("--x", "b"), 1.0)


@pytest.mark.parametrize(
    "values",
    [
        {"ctx": "1"},
        {"ctx": 1.0},
        {"ctx": True},
        {"extra_args": [1]},
        {"extra_args": "a"},
        {"environment": {"OMP_NUM_THREADS": 4}},
        {"environment": ["A=b"]},
        {"kv_cache_gib": float("inf")},
        {"x": 1},
    ],
)
def test_strict(values: dict) -> None:
    with pytest.raises(ValidationError):
        ServeSettings.model_validate(values)


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
        ({"serve.ctx": "64k"}, '--ctx: "64k" is not a whole number'),
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
