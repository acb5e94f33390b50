"""`invoke sandbox.up`, `.list`, `.shell`, `.restart`, `.down`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from onecard.cli.output import print_json
from onecard.project import inventory_folder, own_folder
from onecard.sandbox import Box, SandboxDriver, box_names, choose_driver
from onecard.shipped import SHIPPED


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _driver() -> SandboxDriver:
    return choose_driver(own_folder(), inventory_folder(), _say)


def up(name: str, count: int, *, systemd: bool) -> None:
    """Start boxes that are not running yet."""
    write_settings(inventory_folder() / "group_vars")
    for box in _driver().up(box_names(name, count, systemd), systemd):
        print(_line(box))


def write_settings(group_vars: Path) -> None:
    """Write the settings of the sandbox's boxes where an inventory has none, as one's own."""
    if any(group_vars.glob("sandbox*")):
        return
    group_vars.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SHIPPED / "inventory/group_vars/sandbox.yml", group_vars / "sandbox.yml")
    _say(f"sandbox: wrote {group_vars / 'sandbox.yml'}: settings for a box without a GPU")


def list_boxes(*, as_json: bool) -> None:
    """List the boxes."""
    boxes = _driver().boxes()
    if as_json:
        keys = ("name", "address", "port", "user", "state", "driver", "systemd")
        print_json([{key: getattr(box, key) for key in keys} for box in boxes])
        return
    for box in boxes:
        print(f"{_line(box)}  ({box.driver}{'' if box.systemd else ', no systemd'})")
    if not boxes:
        print("no sandbox boxes; make one: invoke sandbox.up")


def shell(name: str) -> int:
    """Open a root shell in a box; return its exit code."""
    driver = _driver()
    return driver.shell(default_name(driver, name))


def restart(name: str) -> None:
    """Stop and start a box."""
    driver = _driver()
    print(_line(driver.restart(default_name(driver, name))))


def _line(box: Box) -> str:
    return f"{box.name}  {box.user}@{box.address}:{box.port}  {box.state}"


def default_name(driver: SandboxDriver, name: str) -> str:
    """Return the name, or that of the only box; box1 where there are several."""
    names = [box.name for box in driver.boxes()] if not name else []
    return name or (names[0] if len(names) == 1 else "box1")


def down(name: str, *, caches: bool) -> None:
    """Remove one box or all."""
    gone = _driver().down([name] if name else None, caches=caches)
    print(f"gone: {', '.join(gone)}" if gone else "there was no sandbox box")
