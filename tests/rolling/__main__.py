"""Deploy, roll back and kill boxes under load, at one gateway; print what the clients saw.

python -m tests.rolling [--boxes N] [--clients N] [--padding BYTES]

The boxes are copies of this project's sandbox box box1, which has to serve (`make demo`). Needs
root on Linux, as every sandbox box does.
"""

from __future__ import annotations

import argparse
import json
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from onecard.inventory.load import load as load_inventory
from onecard.sandbox.common.controller import read_controller
from onecard.sandbox.nspawn.boxes import NspawnDriver
from tests.box.conftest import PROJECT, Controller, copied_box
from tests.support.steady_load import SteadyLoad

QUIET_S = 5.0  # s of load before and after each event


def main() -> int:
    """Print one row for each event; return 1 where a request failed that should not have."""
    parser = argparse.ArgumentParser(prog="python -m tests.rolling", description=__doc__)
    parser.add_argument("--boxes", type=int, default=3)
    parser.add_argument("--clients", type=int, default=6, help="requests at once")
    parser.add_argument("--padding", type=int, default=100_000, help="bytes of each request")
    options = parser.parse_args()
    names = [f"box{number}" for number in range(1, options.boxes + 1)]
    with tempfile.TemporaryDirectory() as folder:
        source = Controller(PROJECT / "inventory")
        with copied_box(Path(folder) / "boxes", source, names) as pool:
            return measure(pool, names, options)


def measure(pool: Controller, names: list[str], options: argparse.Namespace) -> int:
    """Bring the boxes behind a gateway and provoke each event once."""
    address = load_inventory(pool.inventory).hosts["box1"].connection.address
    group = {
        "hosts": {name: {} for name in names},
        "vars": {
            "serve": {"address": "0.0.0.0"},  # of a sandbox box
            "gateway": {"host": "box1", "domain": address, "tls": "internal"},
        },
    }
    (pool.inventory / "pool.yml").write_text(json.dumps({"pool": group}))
    pool.json("deploy", "--host", "pool", "--rolling", "--batch", str(len(names)))
    gateway = pool.json("gateway", "--host", "pool")

    def kill() -> None:
        driver = NspawnDriver(pool.inventory.parent, pool.inventory, print)
        leader = driver._container(names[-1], read_controller()).leader
        assert leader is not None
        leader.send(signal.SIGKILL)

    def run(*words: str) -> Callable[[], object]:
        return lambda: pool.json(*words)

    deploy = ("deploy", "--host", "pool", "--rolling")
    events = (
        ("rolling deploy", run(*deploy, "--max-num-seqs", "7"), 0),
        ("rolling rollback", run("rollback", "--host", "pool", "--rolling"), 0),
        ("gateway reloaded", run("gateway", "--host", "pool", "-e", "gateway.body_mib=7"), 0),
        (f"{names[-1]} killed", kill, options.clients),
    )
    print("| event | took | requests | failed | longest |\n|---|---|---|---|---|", flush=True)
    return max(provoke(gateway, options, *event) for event in events)


def provoke(
    gateway: dict[str, Any],
    options: argparse.Namespace,
    name: str,
    event: Callable[[], object],
    allowed: int,
) -> int:
    """Let it happen under load and print its row; return 1 where more than `allowed` failed."""
    key = Path(gateway["key_files"]["default"])
    load = SteadyLoad(
        gateway["url"], gateway["model"], key, gateway["certificate"], padding=options.padding
    )
    with load.running(options.clients):
        time.sleep(QUIET_S)
        begun = time.monotonic()
        event()
        took = time.monotonic() - begun
        time.sleep(QUIET_S)
    failures = load.failures()
    print(
        f"| {name} | {took:.1f} s | {len(load.sent):,} | {len(failures)} | "
        f"{load.longest_ms():,.0f} ms |",
        flush=True,
    )
    for each in failures[:10]:
        print(
            f"    {each.begun - begun:+.2f} to {each.ended - begun:+.2f} s: {each.status} {each.why}"
        )
    return int(len(failures) > allowed)


if __name__ == "__main__":
    raise SystemExit(main())
