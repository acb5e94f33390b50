"""What prefix caching costs in tokens, and where vLLM has it on by itself."""

from __future__ import annotations

import pytest

from onecard.fit.caching import caching_tokens, on_by_default
from onecard.fit.on_host import UNKNOWN
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from tests.support.facts_support import CARD, box, working

QWEN, DENSE = "Qwen/Qwen3.5-27B", "Qwen/Qwen3-VL-8B-Instruct"


def host(source: str, version: str, ctx: int = 262_144) -> Host:
    values = {
        "model": {"source": source},
        "vllm": {"channel": "release", "version": version},
        "serve": {"ctx": ctx},
    }
    return Host("a100-1", Connection("192.0.2.7"), Settings.model_validate(values))


@pytest.mark.parametrize(
    ("source", "version", "is_on"),
    [
        (QWEN, "0.25.1", False),  # the counters of a real H100 stayed 0
        (QWEN, "0.26.0", True),
        (QWEN, "0.32.0", True),  # its engine logged enable_prefix_caching=True on a CPU
        (DENSE, "0.25.1", True),
        ("nobody/nothing", "0.25.1", None),
    ],
)
def test_hybrid_models_have_it_from_a_release_on(
    source: str, version: str, is_on: bool | None
) -> None:
    assert on_by_default(host(source, version)) is is_on


def test_a_hybrid_model_pays_a_state_block_for_each_request() -> None:
    facts = box(driver=working("580.95.05"), gpus=(CARD,))
    found = caching_tokens(host(QWEN, "0.25.1"), facts, UNKNOWN)
    assert found is not None
    # 0.9 % on a real H100, whose KV cache held 1.11 requests of this length.
    assert 0.005 < found.share < 0.015
    free = caching_tokens(host(DENSE, "0.25.1"), facts, UNKNOWN)
    assert free is not None
    assert free.share == 0
    assert caching_tokens(host("nobody/nothing", "0.25.1"), facts, UNKNOWN) is None
