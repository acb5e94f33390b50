"""Faults planted on a real box each show in its report: a slow-down, another model, no pictures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.box.conftest import PROJECT, Box, Controller

CASES = str(PROJECT / "onecard/smoke/cases/shapes.yml")
BLIND_PORT = 8010


@pytest.fixture
def records(controller: Controller, deployed: Any, tmp_path: Path) -> dict[str, str]:
    """An empty folder for records, and a good smoke test in it."""
    environment = {"ONECARD_RUNS": str(tmp_path / "runs")}
    assert smoke(controller, environment) == 0
    assert warnings(controller, environment) == ""
    return environment


def smoke(controller: Controller, environment: dict[str, str]) -> int:
    return controller.invoke(
        "smoke", "--host", "sandbox", "--cases", CASES, **environment
    ).returncode


def warnings(controller: Controller, environment: dict[str, str]) -> str:
    """Return the text of the report's warnings, empty where it has none."""
    done = controller.invoke(
        "report", "--host", "box1", "--format", "json", "--out", "-", **environment
    )
    assert done.returncode == 0, done.stderr
    sections = {each["key"]: each["blocks"] for each in json.loads(done.stdout)["sections"]}
    return "\n".join(block["text"] for block in sections.get("attention", ()))


def test_a_slow_down_shows(controller: Controller, box: Box, records: dict[str, str]) -> None:
    """Stopped most of the time, for longer than a request takes, so that every request is hit."""
    box(
        "cat >/tmp/slow <<'E'\n"
        "while [ -e /tmp/slow ]; do systemctl kill -s STOP vllm; sleep 0.4; "
        "systemctl kill -s CONT vllm; sleep 0.01; done\nE\n"
    )
    number = box("nohup sh /tmp/slow >/dev/null 2>&1 & echo $!").strip()
    try:
        assert smoke(controller, records) == 0
    finally:
        box(f"rm /tmp/slow; timeout 30 tail --pid={number} -f /dev/null")
    message = warnings(controller, records)
    assert "Picture questions take" in message
    assert "outside the noise" in message


def test_dropped_pictures_show(controller: Controller, box: Box, records: dict[str, str]) -> None:
    """A proxy in front of the server takes the pictures out; smoke is led to it by the unit."""
    source = (PROJECT / "tests" / "support" / "blind_proxy.py").read_text()
    source = source.replace('("127.0.0.1", 0)', f'("127.0.0.1", {BLIND_PORT})')
    start = 'with BlindProxy("http://127.0.0.1:8000"):\n    threading.Event().wait()\n'
    box(f"cat >/tmp/blind.py <<'EOF'\n{source}\n\n{start}EOF\n")
    number = box("nohup python3 /tmp/blind.py >/dev/null 2>&1 & echo $!").strip()
    unit = "/etc/systemd/system/vllm.service"
    try:
        box(f"sed -i 's/--port 8000/--port {BLIND_PORT}/' {unit}")
        assert smoke(controller, records) == 1
    finally:
        box(f"sed -i 's/--port {BLIND_PORT}/--port 8000/' {unit}; kill {number}; rm /tmp/blind.py")
    message = warnings(controller, records)
    assert "the server drops pictures" in message
    assert "12 of 12 picture questions were answered wrong" in message


def test_another_model_shows(
    controller: Controller, box: Box, records: dict[str, str], tmp_path: Path
) -> None:
    other = tmp_path / "other-vqa"
    shutil.copytree(PROJECT / "onecard/tiny_model/tiny-vqa", other)
    try:
        report = controller.json("deploy", "--host", "sandbox", "--model", str(other))
        assert (report["model"], report["unit_changed"]) == ("other-vqa", True)
        assert smoke(controller, records) == 0
    finally:
        assert controller.json("deploy", "--host", "sandbox")["model"] == "tiny-vqa"
    assert (
        "Another model answered: other-vqa, where the settings of box1 name tiny-vqa."
        in warnings(controller, records)
    )
