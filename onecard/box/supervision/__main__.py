"""The verbs of services.sh as a program: `python3 -m onecard.box.supervision VERB UNIT ...`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from xmlrpc.client import Fault  # nosec B411  # rpc.py

from onecard.box.supervision import log_files, manager, rpc, showing


def main(verb: str, *words: str) -> int:
    """Run a verb; return its exit code."""
    if verb not in _VERBS:
        print(f"services: no such verb: {verb}", file=sys.stderr)
        return 64
    try:
        _VERBS[verb](*words)
    except (manager.ManagerError, OSError, ValueError, Fault) as error:
        print(f"error: {error}")
        return 1
    return 0


def _try_restart(name: str) -> None:
    if manager.is_up(name):
        manager.restart(name)


def _print_log(name: str, lines: str, *invocations: str) -> None:
    text = b"".join(log_files.read(name, each) for each in invocations or ("",))
    log_files.print_all(iter([log_files.last_lines(text, lines)]))


def _follow(name: str, lines: str, invocation: str = "") -> None:
    log_files.print_all(log_files.follow(name, lines, invocation))


def _print(lines: Iterable[object]) -> None:
    print("".join(f"{each}\n" for each in lines), end="")


def _print_values(values: dict[str, str]) -> None:
    _print(f"{key}={value}" for key, value in values.items())


_VERBS: dict[str, Callable[..., None]] = {
    "boot": manager.boot,
    "shutdown": manager.shutdown,
    "manager": lambda: _print(["running"] if rpc.runs() else []),
    "reload": manager.reload,
    "sync": lambda: None,  # nothing is buffered
    "show": lambda name: _print_values(showing.show(name)),
    "start": manager.start,
    "stop": manager.stop,
    "restart": manager.restart,
    "try-restart": _try_restart,
    "reset": manager.reset,
    "enable": lambda name: manager.enable(name, on=True),
    "disable": lambda name: manager.enable(name, on=False),
    "log": _print_log,
    "dated": _print_log,
    "follow": _follow,
    "starts": lambda name: _print(json.dumps(each) for each in showing.starts(name)),
    "environment": lambda name: _print_values(showing.main_environment(name)),
    "processes": lambda name: _print(showing.unit_processes(name)),
    "left": lambda name: _print(showing.left(name)),
    "remove": manager.remove,
}

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
