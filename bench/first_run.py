"""The time of a first run: the peers' list on new boxes, on which nothing is installed.

As a program (`python bench/first_run.py INVENTORY`) it is the engine's contender: box1 of that
inventory, brought to the peers' list.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from bench import bash_peer  # noqa: E402
from bench.contenders import BenchError, Route, wanted  # noqa: E402
from onecard.box import paths  # noqa: E402
from onecard.engine.converge import converge  # noqa: E402
from onecard.engine.host_plan import RolePlan  # noqa: E402
from onecard.engine.host_report import HostReport  # noqa: E402
from onecard.engine.listener import EventListener  # noqa: E402
from onecard.facts import Facts  # noqa: E402
from onecard.inventory.host import Host  # noqa: E402
from onecard.inventory.load import load  # noqa: E402
from onecard.resources.python.packages import Venv  # noqa: E402
from onecard.sandbox import choose_driver  # noqa: E402
from onecard.ssh.login import connected  # noqa: E402
from roles import base  # noqa: E402

BOX = "box1"
_LIMIT = 600  # seconds for one run


def first_runs(repeats: int) -> dict[str, list[float]]:
    """Return contender -> seconds of each run; each has a new box, and they take turns.

    Raises BenchError for a run that failed, or did not bring the box to the list.
    """
    contenders: dict[str, Callable[[Route], float]] = {
        "bash over one ssh": _bash,
        "onecard's engine": _engine,
    }
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, contender in contenders.items():
            with _new_box() as route:
                found[name].append(contender(route))
                print(f"bench: first run: {name}: {found[name][-1]:.2f} s", file=sys.stderr)
                _run(route, bash_peer.script(json.loads(route.wanted.read_text())))
    return found


@contextmanager
def _new_box() -> Iterator[Route]:
    """Boot a sandbox box beside the project's own; remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="onecard-bench-") as folder:
        inventory = Path(folder) / "inventory"
        ignored = shutil.ignore_patterns("locks", "sandbox.yml", "known_hosts")
        shutil.copytree(PROJECT / "inventory", inventory, ignore=ignored)
        cache = PROJECT / ".onecard" / "sandbox"
        driver = choose_driver(Path(folder), inventory, lambda line: None, cache=cache)
        try:
            driver.up((BOX,))
            host = load(inventory).hosts[BOX]
            route = Route("a new box", inventory, host.connection)
            route.wanted.parent.mkdir()
            route.wanted.write_text(json.dumps(wanted(host)))
            yield route
        finally:
            driver.down(None)


def _bash(route: Route) -> float:
    started = time.monotonic()
    _run(route, bash_peer.installation(json.loads(route.wanted.read_text())))
    return time.monotonic() - started


def _engine(route: Route) -> float:
    started = time.monotonic()
    _finish([sys.executable, __file__, str(route.folder)], "")
    return time.monotonic() - started


def _run(route: Route, script: str) -> None:
    _finish(route.ssh("sudo bash -s"), script)


def _finish(command: list[str], given: str) -> None:
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, check=False, timeout=_LIMIT
    )
    if done.returncode:
        output = (done.stdout + done.stderr)[-1500:]
        raise BenchError(f"first run: {command[0]} ended with {done.returncode}\n{output}")


def _peers_list(host: Host, facts: Facts) -> list[RolePlan]:
    venv = Venv(paths.VENV, facts.python.minor)
    return [RolePlan("base", base.system(host, facts)), RolePlan("python", (venv,))]


def main() -> None:
    """Bring the box to the peers' list."""
    inventory = Path(sys.argv[1])
    host = load(inventory).hosts[BOX]
    with connected(host, inventory / "known_hosts") as box:
        converge(
            box.session,
            host,
            _peers_list,
            listener=EventListener(),
            report=HostReport(host.name),
            holder="bench",
        )


if __name__ == "__main__":
    main()
