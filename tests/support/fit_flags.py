"""The flags of `invoke fit`, and an inventory of its own for tests that plan without a host."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.cli import targets

NO_FLAGS: dict[str, object] = dict.fromkeys(
    (
        *("model", "gpu", "ctx", "util", "kv_dtype", "kv_gib", "tp", "quant", "vllm", "demand"),
        *("card_gib", "max_num_seqs", "max_num_batched_tokens", "enforce_eager", "prefix_caching"),
        *("speculative_config", "limit_mm_per_prompt", "enable_expert_parallel"),
    )
)


def empty_inventory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an inventory without hosts in place of the project's, and return it."""
    inventory = folder / "inventory"
    inventory.mkdir()
    monkeypatch.setenv("ONECARD_INVENTORY", str(inventory))
    monkeypatch.setattr(targets, "own_folder", lambda: folder)
    monkeypatch.delenv("ONECARD_HOST", raising=False)
    return inventory
