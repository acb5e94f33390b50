"""Load proofs on a pod with a real GPU: what the card really holds, beside what vLLM logged."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gpu.conftest import Controller

pytestmark = pytest.mark.gpu

CTX = 65536
AT_ONCE = 4


@pytest.fixture(scope="module")
def served(controller: Controller) -> Any:
    """The report of a deploy whose KV cache holds a little more than AT_ONCE full requests."""
    controller.invoke("provision", "--host", "gpupod")
    planned = controller.json("fit", "--host", "gpupod", "--ctx", str(CTX), "--kv-gib", "1")
    size = f"{(AT_ONCE + 0.3) / planned['concurrency']:.4f}"
    words = ("--ctx", str(CTX), "--kv-cache-gib", size)
    return controller.json("deploy", "--host", "gpupod", *words)


def test_the_card_holds_what_vllm_logs(controller: Controller, served: Any) -> None:
    found = controller.json("certify", "--host", "gpupod")
    controller.invoke("certify", "--host", "gpupod")
    assert (found["held"], found["requests"]) == (True, AT_ONCE)
    assert found["requests"] == int(served["memory"]["concurrency"])
    assert found["kv_use"] == pytest.approx(found["kv_use_expected"], abs=0.1)
    assert found["gpu_peak_mib"][0] > 1000
    different, one_more, _ = found["loads"]
    assert different["last_in_s"] < different["first_end_s"]
    assert one_more["answered"] == AT_ONCE + 1


def test_a_short_soak_leaves_nothing_behind(controller: Controller, served: Any) -> None:
    found = controller.json("soak", "--host", "gpupod", "--for", "60s", "--rate", "4")
    assert (found["ok"], found["faults"], found["counts"]["failed"]) == (True, [], 0)
    assert found["counts"]["answered"] > 100
    assert found["kv_use_after"] == found["kv_use_before"]
    assert found["card_growth_gib"] is not None
