"""The boxes in a Ray cluster, as its head has them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

from onecard.box import paths
from onecard.resources.base import Differences, Resource, State
from onecard.ssh.probe_batch import Answer

_JOINS_S: Final = 120  # s for every box to join, from a head that has just started

# ray.nodes() keeps a box that has died, beside the entry of its next start.
_PROGRAM: Final = """
import socket, sys
host, port = sys.argv[1:]
try:
    socket.create_connection((host, int(port)), 3).close()
except OSError:
    sys.exit()
import ray
ray.init(address=f"{host}:{port}", logging_level="ERROR", log_to_driver=False)
nodes = {}
for node in ray.nodes():
    nodes[node["NodeManagerAddress"]] = node["Alive"] or nodes.get(node["NodeManagerAddress"])
for address, alive in nodes.items():
    print(f"node={address} {'alive' if alive else 'dead'}")
"""


@dataclass(frozen=True)
class RayNodes(Resource):
    """Every box of the cluster is in it, and alive.

    boxes: (address, name) of each, the head first.
    """

    venv: str
    port: int
    boxes: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        return "boxes in Ray's cluster"

    def probe(self) -> str:
        """Return shell that prints `node=ADDRESS alive|dead`; nothing while Ray does not run."""
        python, head = shlex.quote(f"{self.venv}/bin/python"), self.boxes[0][0]
        return (
            f"[ -x {python} ] && [ -e {paths.RAY_TOKEN} ] || exit 0\n"
            # In the environment, not in the arguments: those are public.
            f"export RAY_AUTH_MODE=token; set -a; . {paths.RAY_TOKEN}; set +a\n"
            f"HOME={paths.STATE} timeout 60 {python} - {shlex.quote(head)} {self.port} "
            f"2>/dev/null <<'@end' || true\n{_PROGRAM}@end"
        )

    def read(self, answer: Answer) -> State:
        found = dict(
            line.removeprefix("node=").split(" ", 1)
            for line in answer.output.splitlines()
            if line.startswith("node=")
        )
        return {name: found.get(address, "absent") for address, name in self.boxes}

    def desired(self) -> State:
        return dict.fromkeys((name for _, name in self.boxes), "alive")

    def fix(self, differences: Differences, actual: State) -> str:
        missing = [
            f'printf "%s\\n" "$nodes" | grep -qx {shlex.quote(f"node={address} alive")} '
            f'|| missing="$missing {name}"'
            for address, name in self.boxes
        ]
        return "\n".join(
            [
                f"nodes() {{ ( {self.probe()}\n) }}",
                f"until=$(( $(date +%s) + {_JOINS_S} ))",
                "while :; do",
                "nodes=$(nodes) missing=",
                *missing,
                '[ -n "$missing" ] || break',
                '[ "$(date +%s)" -lt "$until" ] || {',
                f'echo "error:$missing: did not join Ray within {_JOINS_S} s"; exit 1; }}',
                "sleep 1",
                "done",
            ]
        )

    def advice(self) -> str:
        return "what their Ray says: invoke diagnose --group NAME"
