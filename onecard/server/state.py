"""The server on a box as its service manager has it: its state and its options."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from onecard.api.address import in_url, reached_at
from onecard.box import paths, unit_words
from onecard.errors import ProbeError
from onecard.facts.places import NAMES
from onecard.resources.base import fields
from onecard.ssh.shell import Session

STATE = f"""
services show {paths.UNIT}
printf 'Uptime=%s\\n' "$(cut -d ' ' -f 1 /proc/uptime)"
printf 'Unit=%s\\n' "$(services cat {paths.UNIT} | base64 -w0)"
# A stop of a pod deletes the links to its volume, and leaves what they led to.
set -- /*/onecard/{NAMES[paths.HOME]}/releases/current
[ -e {paths.HOME} ] || [ ! -L "$1" ] || echo Lost=yes
"""


@dataclass(frozen=True)
class ServiceState:
    """The state of the server's unit, and the options in its unit file.

    active: `active`, `activating`, `failed`, `inactive`...; sub: `running`, `auto-restart`...;
    invocation: the id of this start. restarts: automatic ones, since the last manual start.
    seconds: since the last change of state. words: the command line in the unit file;
    options: its flags with a value. lost: the box, a pod, was stopped: its volume alone is left.
    """

    loaded: bool
    active: str
    result: str
    invocation: str
    restarts: int
    since: str
    options: dict[str, str]
    words: tuple[str, ...] = ()
    sub: str = ""
    seconds: float = 0.0
    lost: bool = False

    @property
    def down(self) -> bool:
        """Return whether it is deployed and neither runs nor starts."""
        return self.loaded and self.active not in ("active", "activating")

    def absence(self, name: str) -> str:
        """Return what to do on a host where no server is loaded."""
        if self.lost:
            return (
                f"{name}: the pod was stopped, and all but its volume is gone: invoke provision "
                f"--host {name} && invoke start --host {name}"
            )
        return f"{name}: no server is deployed here yet; run: invoke deploy --host {name}"

    @property
    def port(self) -> int:
        """Return the port that it listens on."""
        return _whole(self.options.get("port", "8000"), "--port")

    @property
    def address(self) -> str:
        """Return the address on the box at which it is reached."""
        return reached_at(self.options.get("host", "127.0.0.1"))

    @property
    def url(self) -> str:
        """Return where its API is on the box, without `/v1`."""
        return f"http://{in_url(self.address)}:{self.port}"

    @property
    def model(self) -> str:
        """Return the name that the model is served under."""
        return self.options.get("served-model-name", "")

    @property
    def ctx(self) -> int:
        """Return the context length in tokens."""
        return _whole(self.options.get("max-model-len", "0"), "--max-model-len")


def service_state(session: Session) -> ServiceState:
    """Read the unit's state from the box; one round trip."""
    return read_state(session.run(STATE).output)


def read_state(output: str) -> ServiceState:
    """Parse the output of STATE."""
    shown = fields(output)
    try:
        unit = base64.b64decode(shown.get("Unit", "")).decode("utf-8", "replace")
        words = unit_words.command(unit)
    except ValueError:  # no service manager loads such a unit either
        words = ()
    changed_s = _number(shown, "StateChangeTimestampMonotonic") / 1e6
    return ServiceState(
        loaded=shown.get("LoadState") == "loaded",
        active=shown.get("ActiveState", "unknown"),
        result=shown.get("Result", ""),
        invocation=shown.get("InvocationID", ""),
        restarts=_whole(shown.get("NRestarts") or "0", "NRestarts"),
        since=shown.get("ActiveEnterTimestamp", ""),
        options=unit_words.options(words),
        words=words,
        lost=shown.get("Lost") == "yes",
        sub=shown.get("SubState", ""),
        seconds=max(0.0, _number(shown, "Uptime") - changed_s),
    )


def _number(shown: dict[str, str], name: str) -> float:
    text = shown.get(name) or "0"
    if re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,9})?", text):
        return float(text)
    raise ProbeError(f"{paths.UNIT}: {name} is {text[:40]!r}, not a number")


def _whole(text: str, name: str) -> int:
    """Parse a number of the unit or of its state. Raises ProbeError."""
    if re.fullmatch(r"[0-9]{1,18}", text):
        return int(text)
    raise ProbeError(f"{paths.UNIT}: {name} is {text[:40]!r}, not a number; run: invoke deploy")
