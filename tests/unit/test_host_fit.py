"""What deploy refuses before anything restarts."""

from __future__ import annotations

import pytest

from onecard.errors import PreflightError
from onecard.host import Connection, Host
from onecard.host_fit import BoxModel, refuse_old_vllm
from onecard.settings import ModelSettings, Settings

QWEN = "Qwen/Qwen3.5-27B"


def refusal(source: str, version: str) -> str:
    host = Host("a100-1", Connection("192.0.2.7"), Settings(model=ModelSettings(source=source)))
    try:
        refuse_old_vllm(host, BoxModel(version, None))
    except PreflightError as error:
        return error.message
    return ""


@pytest.mark.parametrize("version", ["0.16.1", "0.16.2rc1.dev4+g1234567.cu130", "0.9"])
def test_a_vllm_older_than_the_models_recipe_is_refused(version: str) -> None:
    said = refusal(QWEN, version)
    assert said.startswith(f"a100-1: {QWEN} needs vLLM 0.17.0 or later, and {version} is installed")
    assert "invoke upgrade --host a100-1" in said


@pytest.mark.parametrize(
    ("source", "version"),
    [
        (QWEN, "0.17.0"),
        (QWEN, "0.17.0+cpu"),
        (QWEN, "0.34.0.dev12+g1234567"),
        (QWEN, ""),  # none is installed: said elsewhere
        ("nobody/nothing", "0.1.0"),  # no recipe
    ],
)
def test_any_other_is_let_through(source: str, version: str) -> None:
    assert refusal(source, version) == ""
