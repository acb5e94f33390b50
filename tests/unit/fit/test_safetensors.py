"""The bytes of a checkpoint, from the headers alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onecard.errors import UsageError
from onecard.fit import find_gpu, plan
from onecard.fit.model_source import shape_of
from onecard.fit.shape.model_shape import GIB
from onecard.fit.shape.safetensors import folder_bytes, hub_bytes
from tests.support.hub_server import HubServer, Model

TINY = Path(__file__).parents[3] / "onecard" / "tiny_model" / "tiny-vqa"
CHECKPOINT = (TINY / "model.safetensors").read_bytes()
HEADER = 8 + int.from_bytes(CHECKPOINT[:8], "little")


def checkpoint(sizes: dict[str, int], *, padding: int = 0) -> bytes:
    """Return a file with these tensors, and `padding` bytes more in its header."""
    entries, at = {}, 0
    for name, size in sizes.items():
        entries[name] = {"dtype": "U8", "shape": [size], "data_offsets": [at, at + size]}
        at += size
    header = json.dumps({"__metadata__": {"format": "pt" + " " * padding}, **entries}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(at)


def test_a_folder_is_counted_to_the_byte() -> None:
    assert folder_bytes(TINY, 4) == len(CHECKPOINT) - HEADER
    assert folder_bytes(TINY / "nothing", 4) is None


def test_draft_layers_are_left_out(tmp_path: Path) -> None:
    sizes = {
        "model.layers.0.mlp.up_proj.weight": 10,
        "model.layers.2.mlp.up_proj.weight": 7,
        "mtp.layers.0.mlp.up_proj.weight": 5,
        "model.visual.layers.30.attn.weight": 3,
    }
    (tmp_path / "model-00001-of-00001.safetensors").write_bytes(checkpoint(sizes))
    assert folder_bytes(tmp_path, 2) == 13


@pytest.mark.parametrize("data", [b"", b"\x08", b"\xff" * 16, CHECKPOINT[: HEADER // 2]])
def test_a_damaged_file_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(data)
    with pytest.raises(UsageError, match=r"model\.safetensors is not a safetensors file"):
        folder_bytes(tmp_path, 4)


def test_of_the_hubs_files_only_the_headers_are_read() -> None:
    large = checkpoint({"model.layers.0.mlp.up_proj.weight": 3_000_000}, padding=100_000)
    index = json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}).encode()
    files = {
        "model.safetensors.index.json": index,
        "one.safetensors": large,
        "two.safetensors": CHECKPOINT,
    }
    with HubServer({"some/model": Model(files)}).serving("127.0.0.1") as hub:
        found = hub_bytes("some/model", hub.url, None, 4)
        assert found == 3_000_000 + len(CHECKPOINT) - HEADER
        assert sum(hub.served.values()) < 400_000


def test_a_hub_that_has_no_such_files_or_sends_all_of_them_leaves_it_to_the_formulas() -> None:
    models = {"some/model": Model({"model.safetensors": CHECKPOINT}), "some/bin": Model({})}
    with HubServer(models).serving("127.0.0.1") as hub:
        assert hub_bytes("some/bin", hub.url, None, 4) is None
        hub.ignore_range = True
        assert hub_bytes("some/model", hub.url, None, 4) is None
    assert hub_bytes("some/model", hub.url, None, 4) is None


def test_a_plan_holds_what_the_headers_say() -> None:
    planned = plan(shape_of(str(TINY)), find_gpu("L4"), 4096)
    assert planned.weights.exact
    tables = planned.shape.rotary * 2  # made while the model loads
    assert planned.weights_gib * GIB == pytest.approx(len(CHECKPOINT) - HEADER + tables)
