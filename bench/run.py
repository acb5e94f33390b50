"""A box that is already right, once more: how long until a tool says that nothing is to be done.

    .venv/bin/python bench/run.py --repeats 3

Needs the sandbox box `box1`, provisioned (`make demo`). See bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from bench.contenders import (  # noqa: E402
    CONTENDERS,
    FLOORS,
    LIMIT,
    PROGRAMS,
    PYINFRA,
    BenchError,
    Route,
    Run,
    onecard,
    wanted,
)
from onecard.errors import OnecardError  # noqa: E402
from onecard.host import Host  # noqa: E402
from onecard.inventory import load  # noqa: E402

INVENTORY = PROJECT / "inventory"
BOX = "box1"
Results = dict[str, list[Run]]


def main() -> int:
    """Read the command line, run everything, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each (5)")
    parser.add_argument("--delay-ms", type=float, default=75.0, help="long link, each way (75)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures there")
    options = parser.parse_args()
    if options.repeats < 1 or options.delay_ms <= 0:
        parser.error("--repeats and --delay-ms are above 0")
    try:
        host = find_box()
        install_peers()
        document = bench(host, options.repeats, options.delay_ms)
    except (BenchError, OnecardError, subprocess.SubprocessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    return 0


def find_box() -> Host:
    """Return the sandbox box; leave with 2 when there is none."""
    host = load(INVENTORY).hosts.get(BOX) if (INVENTORY / "sandbox.yml").exists() else None
    if host is None:
        print(f"error: there is no sandbox box {BOX}; run `make demo` first", file=sys.stderr)
        raise SystemExit(2)
    return host


def install_peers() -> None:
    """Install what the peers need and is absent, saying so."""
    if not shutil.which("ssh"):
        if os.geteuid() or not shutil.which("apt-get"):
            raise BenchError("ssh is not installed; install the package openssh-client")
        print("bench: installing the package openssh-client with apt", file=sys.stderr)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update"], ["-y", "install", "--no-install-recommends", "openssh-client"]):
            subprocess.run(["apt-get", "-qq", *words], check=True, env=quiet, stdout=sys.stderr)
    if not (PROGRAMS / "ansible-playbook").exists():
        raise BenchError("Ansible is not installed; `make lint` or `make test` installs it")
    if not PYINFRA.exists():
        folder = PYINFRA.parent.parent
        print(f"bench: installing pyinfra in {folder.relative_to(PROJECT)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = [folder / "bin" / "python", "-m", "pip", "install", "-q", "pyinfra>=3,<4"]
        subprocess.run(install, check=True, stdout=sys.stderr)


def bench(host: Host, repeats: int, delay_ms: float) -> dict[str, object]:
    """Time every contender on both routes, in turn; print as it goes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="onecard-bench-")))
        port = stack.enter_context(slow_link(host, delay_ms))
        there = host.connection
        routes = (
            make_route("direct", folder / "direct", host, there.address, there.port or 22),
            make_route(f"{2 * delay_ms:g} ms", folder / "slow", host, "127.0.0.1", port),
        )
        # The run that is not timed: it warms caches, and shows that nobody would change anything.
        for name, contender in CONTENDERS.items():
            print(f"bench: looking, changing nothing: {name}", file=sys.stderr)
            contender(routes[0], check=True)
        load_before = os.getloadavg()[0]
        results = measure(routes, repeats)
        load_after = os.getloadavg()[0]
        onecard(routes[0], check=True)  # the others have left the box as they found it
        # Ansible's own folder for temporary files is the one thing that it leaves.
        rm = routes[0].ssh("rm -rf /tmp/onecard-bench")
        subprocess.run(rm, check=True, capture_output=True, timeout=LIMIT)
    return report(results, delay_ms, repeats, (load_before, load_after))


def measure(routes: tuple[Route, ...], repeats: int) -> dict[str, Results]:
    """Run all contenders in turn on each route, `repeats` times over, to spread load fairly."""
    results: dict[str, Results] = {
        route.name: {name: [] for name in CONTENDERS} for route in routes
    }
    for turn in range(repeats):
        for route in routes:
            for name, contender in CONTENDERS.items():
                run = contender(route)
                results[route.name][name].append(run)
                progress = f"{turn + 1} of {repeats}, {route.name}: {name}: {run.seconds:.2f} s"
                print(f"bench: {progress}", file=sys.stderr)
    return results


@contextmanager
def slow_link(host: Host, delay_ms: float) -> Iterator[int]:
    """Run slow_link.py to the box; yield its port on 127.0.0.1."""
    there = host.connection
    script = Path(__file__).with_name("slow_link.py")
    words = [there.address, str(there.port or 22), "--delay-ms", str(delay_ms)]
    with subprocess.Popen(
        [sys.executable, script, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as link:
        try:
            yield int(link.stdout.readline())
        finally:
            link.terminate()


def make_route(name: str, folder: Path, host: Host, address: str, port: int) -> Route:
    """Write an inventory for one route: the project's own, with another address for the box."""
    shutil.copytree(INVENTORY, folder)
    there = replace(host.connection, address=address, port=port)
    variables = {
        "ansible_host": address,
        "ansible_port": port,
        "ansible_user": there.user,
        "ansible_ssh_private_key_file": str(there.key_file),
    }
    tree = {"all": {"children": {"sandbox": {"hosts": {BOX: variables}}}}}
    (folder / "sandbox.yml").write_text(yaml.safe_dump(tree))
    (folder / "known_hosts").write_text(host_keys(host, address, port))
    (folder / "ansible.cfg").touch()
    (folder / "wanted.json").write_text(json.dumps(wanted(host)))
    data = {
        "ssh_hostname": address,
        "ssh_port": port,
        "ssh_user": there.user,
        "ssh_key": str(there.key_file),
        "ssh_known_hosts_file": str(folder / "known_hosts"),
        "ssh_strict_host_key_checking": "yes",
        "ssh_allow_agent": False,
        "ssh_look_for_keys": False,
        "ssh_config_file": os.devnull,
        "_sudo": True,
    }
    (folder / "pyinfra_inventory.py").write_text(f"hosts = [({BOX!r}, {data!r})]\n")
    return Route(name, folder, there)


def host_keys(host: Host, address: str, port: int) -> str:
    """Return the box's host keys, as the project trusts them, under another address."""
    place = address if port == 22 else f"[{address}]:{port}"
    known = host.connection.address
    if host.connection.port not in (None, 22):
        known = f"[{known}]:{host.connection.port}"
    lines = [line.split() for line in (INVENTORY / "known_hosts").read_text().splitlines()]
    keys = [" ".join(words[1:]) for words in lines if words and words[0] == known]
    if not keys:
        raise BenchError(f"inventory/known_hosts has no key of {BOX}; run invoke trust first")
    return "".join(f"{place} {key}\n" for key in keys)


def median(runs: list[Run]) -> float:
    """Return the median of the runs' seconds."""
    return statistics.median(run.seconds for run in runs)


def report(
    results: dict[str, Results], delay_ms: float, repeats: int, loads: tuple[float, float]
) -> dict[str, object]:
    """Print the table in Markdown; return the figures."""
    (near_name, near), (far_name, far) = results.items()
    near_floor = min(median(near[name]) for name in FLOORS)
    far_floor = min(median(far[name]) for name in FLOORS)
    rows = []
    print(
        f"| | {near_name}, s | x floor | {far_name}, s | x floor | link waits | "
        "round trips, own count |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name in CONTENDERS:
        direct = median(near[name])
        slow = median(far[name])
        # Every wait for an answer costs one round trip of the link, the login's included.
        waits = (slow - direct) / (2 * delay_ms / 1000)
        own = near[name][0].round_trips
        print(
            f"| {name} | {direct:.2f} | {direct / near_floor:.1f} | {slow:.2f} "
            f"| {slow / far_floor:.1f} | {waits:.0f} | {'' if own is None else own} |"
        )
        rows.append(
            {
                "name": name,
                "direct": [round(run.seconds, 3) for run in near[name]],
                "slow": [round(run.seconds, 3) for run in far[name]],
                "median_direct": round(direct, 3),
                "median_slow": round(slow, 3),
                "link_waits": round(waits, 1),
                "round_trips": own,
            }
        )
    cores = os.cpu_count()
    print(
        f"\nmedians of {repeats}; {cores} cores, load {loads[0]:.1f} before, {loads[1]:.1f} after"
    )
    return {"repeats": repeats, "delay_ms": delay_ms, "cores": cores, "load": loads, "rows": rows}


if __name__ == "__main__":
    sys.exit(main())
