"""`invoke sandbox.up`, `.list`, `.shell`, `.down`."""

from __future__ import annotations

import sys

from onecard import cli
from onecard.places import PROJECT, inventory_folder
from onecard.sandbox import Driver, box_names, choose_driver


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _driver() -> Driver:
    return choose_driver(PROJECT, inventory_folder(), _say)


def up(name: str, count: int) -> None:
    """Start boxes that are not running yet."""
    for box in _driver().up(box_names(name, count)):
        print(f"{box.name}  {box.user}@{box.address}:{box.port}  {box.state}")


def list_boxes(*, as_json: bool) -> None:
    """List the boxes."""
    boxes = _driver().boxes()
    if as_json:
        keys = ("name", "address", "port", "user", "state", "driver")
        cli.print_json([{key: getattr(box, key) for key in keys} for box in boxes])
        return
    for box in boxes:
        print(f"{box.name}  {box.user}@{box.address}:{box.port}  {box.state}  ({box.driver})")
    if not boxes:
        print("no sandbox boxes; make one: invoke sandbox.up")


def shell(name: str) -> int:
    """Open a root shell in a box; return its exit code."""
    return _driver().shell(name)


def down(name: str, *, caches: bool) -> None:
    """Remove one box or all."""
    gone = _driver().down([name] if name else None, caches=caches)
    print(f"gone: {', '.join(gone)}" if gone else "there was no sandbox box")
