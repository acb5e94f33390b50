"""Settings are strict."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from onecard.settings.serve_settings import ServeSettings


def test_a_list_is_taken_for_a_tuple_and_an_int_for_a_float() -> None:
    serve = ServeSettings.model_validate({"extra_args": ["--x", "b"], "gpu_memory_utilization": 1})
    assert (serve.extra_args, serve.gpu_memory_utilization) == (("--x", "b"), 1.0)


@pytest.mark.parametrize(
    "values",
    [
        {"ctx": "x1"},
        {"kv_cache_gib": "1e3"},
        {"enforce_eager": "yes"},
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
