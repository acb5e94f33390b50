"""What deploy refuses before anything restarts."""

from __future__ import annotations

import pytest

from onecard.errors import PreflightError
from onecard.fit.on_host import BoxModel, refuse_old_vllm, settle
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.serve_settings import ModelSettings
from onecard.settings.settings import Settings
from tests.support.facts_support import CARD, box, working

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
    message = refusal(QWEN, version)
    assert message.startswith(
        f"a100-1: {QWEN} needs vLLM 0.17.0 or later, and {version} is installed"
    )
    assert "invoke upgrade --host a100-1" in message


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


def test_a_host_is_settled_once_and_settling_it_again_changes_nothing() -> None:
    settings = Settings(model=ModelSettings(source=QWEN))
    facts = box(driver=working("580.95.05"), gpus=(CARD,) * 4)
    settled = settle(Host("a100-1", Connection("192.0.2.7"), settings), facts)
    serve = settled.host.settings.serve
    assert serve.tensor_parallel == 4
    assert settled.planned is not None
    assert (settled.planned.tp, settled.planned.ctx) == (4, serve.ctx)
    logged = settled.plan(kv_gib=7.0)
    assert (logged.kv_available_gib, logged.tp) == (7.0, 4)
    assert settle(settled.host, facts) == settled
