"""Deploy, roll back and kill boxes under load, at one gateway; print what the clients saw.

python -m tests.rolling [--boxes N] [--clients N] [--padding BYTES]

The boxes are copies of this project's sandbox box box1, which has to serve (`make demo`). Needs
root on Linux, as every sandbox box does.
"""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from onecard.sandbox.common.controller import read_controller
from onecard.sandbox.nspawn.boxes import NspawnDriver
from tests.support.served_pool import ServedPool, served_pool
from tests.support.steady_load import SteadyLoad

QUIET_S = 5.0  # s of load before and after each event


def main() -> int:
    """Print one row for each event; return 1 where a request failed that should not have."""
    parser = argparse.ArgumentParser(prog="python -m tests.rolling", description=__doc__)
    parser.add_argument("--boxes", type=int, default=3)
    parser.add_argument("--clients", type=int, default=6, help="requests at once")
    parser.add_argument("--padding", type=int, default=100_000, help="bytes of each request")
    options = parser.parse_args()
    with served_pool(options.boxes) as pool:
        return measure(pool, options)


def measure(pool: ServedPool, options: argparse.Namespace) -> int:
    """Provoke each event once."""
    controller, killed = pool.controller, pool.names[-1]

    def kill() -> None:
        driver = NspawnDriver(controller.inventory.parent, controller.inventory, print)
        leader = driver._container(killed, read_controller()).leader
        assert leader is not None
        leader.send(signal.SIGKILL)

    def run(*words: str) -> Callable[[], object]:
        return lambda: controller.json(*words)

    deploy = ("deploy", "--host", "pool", "--rolling")
    events = (
        ("rolling deploy", run(*deploy, "--max-num-seqs", "7"), 0),
        ("rolling rollback", run("rollback", "--host", "pool", "--rolling"), 0),
        ("gateway reloaded", run("gateway", "--host", "pool", "-e", "gateway.body_mib=7"), 0),
        (f"{killed} killed", kill, options.clients),
    )
    print("| event | took | requests | failed | longest |\n|---|---|---|---|---|", flush=True)
    return max(provoke(pool.gateway, options, *event) for event in events)


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
