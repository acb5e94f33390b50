"""The network between the boxes of a cluster: whether each reaches each, and how fast it is."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import permutations
from pathlib import Path
from typing import Any, Final

import onecard
from onecard.errors import OnecardError, PreflightError
from onecard.resources.base import fields
from onecard.ssh.answer_lines import whole
from onecard.ssh.login import Connected

_PROGRAM: Final = Path(onecard.__file__).parent / "box" / "link.py"
_LISTENS_S: Final = 30.0  # s for the listener to say where it listens
SLOW_MBIT_S: Final = 1000


@dataclass(frozen=True)
class BoxLink:
    """The way from one box to another. latency_us: the median round trip of a byte over TCP."""

    source: str
    target: str
    latency_us: int
    mbit_s: int

    def __str__(self) -> str:
        return (
            f"{self.source} to {self.target}: {self.mbit_s:,} Mbit/s, round trip "
            f"{self.latency_us / 1000:.2f} ms"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values for --json."""
        return asdict(self)


def measure_links(
    boxes: Sequence[Connected], on_link: Callable[[BoxLink], None]
) -> tuple[BoxLink, ...]:
    """Connect each box with each other, in both directions, one after another.

    Raises PreflightError for the first connection that does not come about. Each takes about a
    second.
    """
    found = []
    for source, target in permutations(boxes, 2):
        link = _measured(source, target)
        on_link(link)
        found.append(link)
    return tuple(found)


def _measured(source: Connected, target: Connected) -> BoxLink:
    own, address = (each.host.settings.cluster.address for each in (source, target))
    lines: list[str] = []
    listens = threading.Event()

    def on_line(line: str) -> None:
        lines.append(line)
        listens.set()

    def listen() -> None:
        try:
            target.session.run(_script("listen", address), on_line=on_line, timeout=_LISTENS_S * 2)
        except OnecardError as error:
            lines.append(f"error={error.message}")
        listens.set()

    thread = threading.Thread(target=listen)
    thread.start()
    listens.wait(_LISTENS_S)
    port = fields("\n".join(lines)).get("port")
    try:
        if port is None:
            raise PreflightError(
                f"{target.host.name}: nothing can listen on cluster.address {address} "
                f"({_reason(lines)}); set it to the box's address on the network between the boxes"
            )
        output = source.session.run(
            _script("connect", own, address, port), timeout=_LISTENS_S * 2
        ).output
    finally:
        thread.join()
    values = fields(output)
    latency_us, mbit_s = (whole(values.get(key, "")) for key in ("latency_us", "mbit_s"))
    if latency_us is None or mbit_s is None:
        raise PreflightError(
            f"{source.host.name} does not reach {target.host.name} at {address}, port {port} "
            f"({_reason(output.splitlines())}): Ray, Gloo and NCCL need every TCP port between "
            f"the boxes: allow {own} in the firewall of {target.host.name} and of its provider "
            "(nothing was changed)"
        )
    return BoxLink(source.host.name, target.host.name, latency_us, mbit_s)


def _script(*words: str) -> str:
    return f"python3 - {shlex.join(words)} <<'@end'\n{_PROGRAM.read_text('utf-8')}@end"


def _reason(lines: Sequence[str]) -> str:
    return fields("\n".join(lines)).get("error") or next(reversed(lines), "it printed nothing")
