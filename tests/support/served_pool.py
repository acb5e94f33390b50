"""Copies of the box of `make demo`, behind a gateway on the first of them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onecard.inventory.load import load
from tests.box.conftest import PROJECT, Controller, copied_box


@dataclass(frozen=True)
class ServedPool:
    """names: box1 and so on. gateway: what `invoke gateway --json` printed."""

    controller: Controller
    names: tuple[str, ...]
    gateway: dict[str, Any]

    def address(self, name: str) -> str:
        return load(self.controller.inventory).hosts[name].connection.address


@contextmanager
def served_pool(boxes: int) -> Iterator[ServedPool]:
    """Boot copies of this project's box1, deploy to all of them and bring them behind a gateway."""
    names = tuple(f"box{number}" for number in range(1, boxes + 1))
    source = Controller(PROJECT / "inventory")
    with (
        tempfile.TemporaryDirectory() as folder,
        copied_box(Path(folder) / "boxes", source, names) as controller,
    ):
        address = load(controller.inventory).hosts["box1"].connection.address
        group = {
            "hosts": {name: {} for name in names},
            "vars": {
                "serve": {"address": "0.0.0.0"},  # of a sandbox box
                "gateway": {"host": "box1", "domain": address, "tls": "internal"},
            },
        }
        (controller.inventory / "pool.yml").write_text(json.dumps({"pool": group}))
        controller.json("deploy", "--host", "pool", "--rolling", "--batch", str(boxes))
        yield ServedPool(controller, names, controller.json("gateway", "--host", "pool"))
