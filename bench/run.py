"""Time a run without changes: how long a tool takes to find that nothing has to be changed.

    .venv/bin/python bench/run.py --repeats 3     `make bench` is the long form

Needs the sandbox box `box1`, provisioned (`make demo`). See bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from bench import growth, plots  # noqa: E402
from bench import results as result_page  # noqa: E402
from bench.contenders import (  # noqa: E402
    LIMIT,
    PEER_PROGRAMS,
    PROGRAMS,
    PYINFRA,
    BenchError,
    Contender,
    QuietRun,
    Route,
    close_connections,
    installed,
    onecard,
    onecard_again,
    wanted,
)
from bench.first_run import first_runs  # noqa: E402
from onecard.errors import OnecardError  # noqa: E402
from onecard.inventory.host import Host  # noqa: E402
from onecard.inventory.load import load  # noqa: E402
from onecard.project import inventory_folder  # noqa: E402

BOX = "box1"
Results = dict[str, list[QuietRun]]


def main() -> int:
    """Read the command line, time all contenders, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each (5)")
    parser.add_argument("--delay-ms", type=float, default=75.0, help="long link, each way (75)")
    growing = "also time runs on so many hosts, and with more files on one"
    parser.add_argument("--growth", metavar="HOSTS", type=int, nargs="+", help=growing)
    first = "also time so many first runs on new boxes (a minute each)"
    parser.add_argument("--first-runs", metavar="N", type=int, default=0, help=first)
    parser.add_argument("--plots", metavar="DIR", type=Path, help="draw the growth there, as SVG")
    parser.add_argument("--results", metavar="FILE", type=Path, help="also write the tables there")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures there")
    parser.add_argument(
        "--installed", action="store_true", help="install nothing; time what is installed"
    )
    options = parser.parse_args()
    if options.repeats < 1 or options.delay_ms <= 0:
        parser.error("--repeats and --delay-ms are above 0")
    if options.plots and not options.growth:
        parser.error("--plots draws what --growth measures; give both")
    try:
        host = find_box()
        if not options.installed:
            install()
        contenders = installed()
        document = bench(
            host, contenders, options.repeats, options.delay_ms, numbers=options.growth or ()
        )
        if options.first_runs:
            document["first_runs"] = first_runs(options.first_runs)
    except (BenchError, OnecardError, subprocess.SubprocessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    text = result_page.page(document)
    print(text)
    if options.results:
        options.results.write_text(text)
    if options.plots:
        plots.draw(document, options.plots)
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


def find_box() -> Host:
    """Return the sandbox box; exit with 2 if it does not exist."""
    folder = inventory_folder()
    host = load(folder).hosts.get(BOX) if (folder / "sandbox.yml").exists() else None
    if host is None:
        print(f"error: {BOX}: no such sandbox box; run `make demo` first", file=sys.stderr)
        raise SystemExit(2)
    return host


def install() -> None:
    """Install the missing programs of the contenders; report each on standard error."""
    if not shutil.which("ssh"):
        if os.geteuid() or not shutil.which("apt-get"):
            raise BenchError("ssh: not installed; install the package openssh-client")
        print("bench: installing the package openssh-client with apt", file=sys.stderr)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["-y", "install", "--no-install-recommends", "openssh-client"]):
            subprocess.run(["apt-get", "-qq", *words], check=True, env=quiet, stdout=sys.stderr)
    if not PEER_PROGRAMS["Ansible"].exists():
        raise BenchError("Ansible: not installed; `make lint` or `make test` installs it")
    if not PYINFRA.exists():
        folder = PYINFRA.parent.parent
        print(f"bench: installing pyinfra in {folder.relative_to(PROJECT)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [folder / "bin" / "python", "-m", "pip", "install", "-q", "pyinfra>=3,<4"]
        subprocess.run(install, check=True, stdout=sys.stderr)


def bench(
    host: Host,
    contenders: dict[str, Contender],
    repeats: int,
    delay_ms: float,
    *,
    numbers: Sequence[int],
) -> dict[str, Any]:
    """Time the contenders on both routes, in turn; print the progress."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onecard-bench-")))
        port = stack.enter_context(slow_link(host, delay_ms))
        to = host.connection
        routes = (
            make_route("direct", folder / "direct", host, to.address, to.port or 22),
            make_route(f"{2 * delay_ms:g} ms", folder / "slow", host, "127.0.0.1", port),
        )
        # Not timed: it warms caches, and verifies that no contender would change anything.
        for name, contender in contenders.items():
            print(f"bench: dry run: {name}", file=sys.stderr)
            contender(routes[0], check=True)
        onecard(routes[1], check=True)  # what it learns of a box is remembered by its inventory
        stack.callback(close_connections)
        onecard_again(routes[1], check=True)
        load_before = os.getloadavg()[0]
        results = measure(routes, contenders, repeats)
        grown = grow(host, routes[0], (repeats + 1) // 2, numbers) if numbers else {}
        load_after = os.getloadavg()[0]
        onecard(routes[0], check=True)  # the box is still in order
        # Ansible leaves its folder for temporary files, and nothing else.
        rm = routes[0].ssh("rm -rf /tmp/onecard-bench")
        subprocess.run(rm, check=True, capture_output=True, timeout=LIMIT)
    return {
        "repeats": repeats,
        "delay_ms": delay_ms,
        "load": (round(load_before, 1), round(load_after, 1)),
        "rows": rows(results),
        "commands": commands(repeats),
        **grown,
    }


def measure(
    routes: tuple[Route, ...], contenders: dict[str, Contender], repeats: int
) -> dict[str, Results]:
    """Run the contenders in turn on each route, `repeats` times, to spread other load evenly."""
    results: dict[str, Results] = {
        route.name: {name: [] for name in contenders} for route in routes
    }
    for turn in range(repeats):
        for route in routes:
            for name, contender in contenders.items():
                run = contender(route)
                results[route.name][name].append(run)
                progress = f"{turn + 1} of {repeats}, {route.name}: {name}: {run.seconds:.2f} s"
                print(f"bench: {progress}", file=sys.stderr)
    return results


@contextmanager
def slow_link(host: Host, delay_ms: float) -> Iterator[int]:
    """Run slow_link.py to the box; yield its port on 127.0.0.1."""
    to = host.connection
    script = Path(__file__).with_name("slow_link.py")
    words = [to.address, str(to.port or 22), "--delay-ms", str(delay_ms)]
    with subprocess.Popen(
        [sys.executable, script, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as link:
        try:
            yield int(link.stdout.readline())
        finally:
            link.terminate()


def make_route(name: str, folder: Path, host: Host, address: str, port: int) -> Route:
    """Write a copy of the inventory for one route, with another address for the box."""
    shutil.copytree(inventory_folder(), folder)
    to = replace(host.connection, address=address, port=port)
    variables = {
        "ansible_host": address,
        "ansible_port": port,
        "ansible_user": to.user,
        "ansible_ssh_private_key_file": str(to.key_file),
    }
    tree = {"all": {"children": {"sandbox": {"hosts": {BOX: variables}}}}}
    (folder / "sandbox.yml").write_text(yaml.safe_dump(tree))
    (folder / "known_hosts").write_text(host_keys(host, address, port))
    route = Route(name, folder, to)
    shutil.copytree(folder, route.persistent)
    variables["keep_connection"] = "30m"
    (route.persistent / "sandbox.yml").write_text(yaml.safe_dump(tree))
    (folder / "ansible.cfg").touch()
    (folder / "peers").mkdir()
    (folder / "peers" / "wanted.json").write_text(json.dumps(wanted(host)))
    data = {
        "ssh_hostname": address,
        "ssh_port": port,
        "ssh_user": to.user,
        "ssh_key": str(to.key_file),
        "ssh_known_hosts_file": str(folder / "known_hosts"),
        "ssh_strict_host_key_checking": "yes",
        "ssh_allow_agent": False,
        "ssh_look_for_keys": False,
        "ssh_config_file": os.devnull,
        "_sudo": True,
    }
    (folder / "pyinfra_inventory.py").write_text(f"hosts = [({BOX!r}, {data!r})]\n")
    return route


def host_keys(host: Host, address: str, port: int) -> str:
    """Return the box's host keys from the inventory, under another address."""
    place = address if port == 22 else f"[{address}]:{port}"
    known = host.connection.address
    if host.connection.port not in (None, 22):
        known = f"[{known}]:{host.connection.port}"
    lines = [line.split() for line in (inventory_folder() / "known_hosts").read_text().splitlines()]
    keys = [" ".join(words[1:]) for words in lines if words and words[0] == known]
    if not keys:
        raise BenchError(f"{BOX}: no key in inventory/known_hosts; run: invoke trust --host {BOX}")
    return "".join(f"{place} {key}\n" for key in keys)


def rows(results: dict[str, Results]) -> list[dict[str, Any]]:
    """Return the times of every contender on both routes, in seconds."""
    near, far = results.values()
    return [
        {
            "name": name,
            "direct": [round(run.seconds, 3) for run in near[name]],
            "slow": [round(run.seconds, 3) for run in far[name]],
            "round_trips": near[name][0].round_trips,
        }
        for name in near
    ]


def commands(repeats: int) -> list[dict[str, Any]]:
    """Time what needs no box, in turn: the commands that only list and refuse."""
    words = {
        "python -c 'import invoke'": [sys.executable, "-c", "import invoke"],
        "invoke --list": [str(PROGRAMS / "invoke"), "--list"],
        "invoke --help": [str(PROGRAMS / "invoke"), "--help"],
        "invoke provision --nonsense": [str(PROGRAMS / "invoke"), "provision", "--nonsense"],
    }
    found: dict[str, list[float]] = {name: [] for name in words}
    for _ in range(repeats):
        for name, command in words.items():
            started = time.monotonic()
            subprocess.run(command, cwd=PROJECT, capture_output=True, check=False, timeout=LIMIT)
            found[name].append(round(time.monotonic() - started, 3))
    return [{"name": name, "seconds": seconds} for name, seconds in found.items()]


def grow(host: Host, route: Route, repeats: int, numbers: Sequence[int]) -> dict[str, Any]:
    """Time runs on these numbers of hosts and with more files, in turn."""
    by_hosts: dict[str, dict[int, list[growth.Grown]]] = {}
    by_files: dict[int, list[growth.Grown]] = {count: [] for count in growth.FILES}
    names = [BOX, *(f"{BOX}-{number}" for number in range(2, max(numbers) + 1))]
    with growth.prepared(route):
        for turn in range(repeats + 1):  # the first one is not timed: it fills caches
            for count in numbers:
                for name, run in growth.hosts(route, names[:count]).items():
                    print(f"bench: {count} hosts: {name}: {run.seconds:.2f} s", file=sys.stderr)
                    if turn:
                        by_hosts.setdefault(name, {}).setdefault(count, []).append(run)
            for count in growth.FILES:
                run = growth.files(host, route, count)
                print(f"bench: {count} files: {run.seconds:.2f} s", file=sys.stderr)
                if turn:
                    by_files[count].append(run)
    return {
        "hosts": {
            name: {count: [vars(run) for run in runs] for count, runs in counts.items()}
            for name, counts in by_hosts.items()
        },
        "files": {count: [vars(run) for run in runs] for count, runs in by_files.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
