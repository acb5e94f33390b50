"""The measurement of the network between two boxes, over this computer's own loopback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onecard
from onecard.resources.base import fields

PROGRAM = Path(onecard.__file__).parent / "box" / "link.py"


def link(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-", *words], stdin=PROGRAM.open(), stdout=subprocess.PIPE, text=True
    )


def test_the_way_is_measured() -> None:
    with link("listen", "127.0.0.1") as listener:
        assert listener.stdout is not None
        port = fields(listener.stdout.readline())["port"]
        with link("connect", "127.0.0.1", "127.0.0.1", port) as peer:
            output, _ = peer.communicate(timeout=60)
        assert listener.wait(timeout=60) == 0
    assert peer.returncode == 0
    values = fields(output)
    assert 0 < int(values["latency_us"]) < 10**6
    assert int(values["mbit_s"]) > 10


def test_what_stands_in_the_way_is_said() -> None:
    with link("connect", "127.0.0.1", "127.0.0.1", "1") as peer:
        output, _ = peer.communicate(timeout=60)
    assert (peer.returncode, fields(output)["error"]) == (1, "[Errno 111] Connection refused")
    with link("listen", "192.0.2.255") as listener:
        output, _ = listener.communicate(timeout=60)
    assert "error=" in output
