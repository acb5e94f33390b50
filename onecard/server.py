"""The running server as deploy, smoke and status reach it: its key, its API, its state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from onecard import layout
from onecard.address import in_url, reached_at
from onecard.connect import Connected
from onecard.errors import UnhealthyError
from onecard.resources.base import fields
from onecard.secret import Secret
from onecard.session import Session
from onecard.smoke.client import Client

STATE = f"""
systemctl show {layout.UNIT} -p LoadState,ActiveState,SubState,Result,InvocationID,NRestarts,\
ActiveEnterTimestamp,MainPID
sed -n 's/^Description=/Title=/p' {layout.UNIT_FILE} 2>/dev/null
sed -n 's/^ExecStart=/Command=/p' {layout.UNIT_FILE} 2>/dev/null
"""


@dataclass(frozen=True)
class ServiceState:
    """What systemd says of the server's unit, and the options that its unit file gives it.

    active: `active`, `activating`, `failed`, `inactive`...; invocation: this start's own number.
    words: the command line that the unit file gives; options: its flags that have a value.
    """

    loaded: bool
    active: str
    result: str
    invocation: str
    restarts: int
    since: str
    options: dict[str, str]
    words: tuple[str, ...] = ()

    @property
    def down(self) -> bool:
        """Tell whether it is deployed and neither runs nor starts."""
        return self.loaded and self.active not in ("active", "activating")

    @property
    def port(self) -> int:
        """Return the port that it is told to listen on."""
        return int(self.options.get("port", "8000"))

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
        return int(self.options.get("max-model-len", "0"))


def service_state(session: Session) -> ServiceState:
    """Ask the box for the unit's state; one round trip."""
    return read_state(session.run(STATE).output)


def read_state(output: str) -> ServiceState:
    """Return the state that the answer to STATE tells."""
    shown = fields(output)
    words = shown.get("Command", "").replace('"', "").split()
    options = {
        word[2:]: following
        for word, following in zip(words, [*words[1:], ""], strict=False)  # no unit: no words
        if word.startswith("--")
    }
    return ServiceState(
        loaded=shown.get("LoadState") == "loaded",
        active=shown.get("ActiveState", "unknown"),
        result=shown.get("Result", ""),
        invocation=shown.get("InvocationID", ""),
        restarts=int(shown.get("NRestarts") or 0),
        since=shown.get("ActiveEnterTimestamp", ""),
        options=options,
        words=tuple(words),
    )


def journal_of(state: ServiceState, lines: int = 2000) -> str:
    """Return the command that prints the end of this start's journal."""
    return _journal(state.invocation, lines)


def _journal(invocation: str, lines: int) -> str:
    return (
        f"journalctl --no-pager -o cat -n {lines} _SYSTEMD_INVOCATION_ID={invocation} "
        f"+ INVOCATION_ID={invocation}"
    )


# The end of the last start's journal, where the server is down; for whoever asks for its state too.
JOURNAL_WHEN_DOWN = f"""
case $(systemctl is-active {layout.UNIT}) in active | activating) exit ;; esac
start=$(systemctl show {layout.UNIT} -p InvocationID --value)
[ -z "$start" ] || {_journal("$start", 2000)}
"""


def api_key(session: Session) -> Secret | None:
    """Return the server's key as the box keeps it, None when it has none. Reads a 0600 file."""
    text = session.run(f"cat {layout.API_KEY} 2>/dev/null").output
    value = fields(text).get("VLLM_API_KEY")
    return Secret(value) if value else None


@contextmanager
def client(box: Connected, state: ServiceState, timeout_s: float = 120.0) -> Iterator[Client]:
    """Open a tunnel to the server's API and yield a client for it.

    Raises UnhealthyError when nothing is deployed.
    """
    if not state.loaded or not state.model:
        raise UnhealthyError(
            f"{box.host.name}: no server is deployed here yet; run: invoke deploy "
            f"--host {box.host.name}"
        )
    key = api_key(box.session)
    with (
        box.wire.tunnel(state.port, state.address) as port,
        Client(f"http://127.0.0.1:{port}", state.model, key, timeout_s) as opened,
    ):
        yield opened
