"""`invoke tunnel`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from onecard import cli, kept
from onecard.connect import Connected
from onecard.console import HostConsole, progress_console
from onecard.errors import UnhealthyError, UsageError
from onecard.host import Host
from onecard.link import Link
from onecard.questions import questions
from onecard.server import ServiceState, api_key, client
from onecard.snippets import Endpoint, curl_line, openai_snippet
from onecard.tunnel import forwarded

HIGHEST_PORT = 65535


def tunnel(requested: str, *, port: str | None, as_json: bool) -> int:
    """Forward a port of this computer's 127.0.0.1 to the API until Ctrl-C.

    Raises UnhealthyError when the server does not answer.
    """
    wanted = None if port is None else cli.positive("--port", port)
    if wanted is not None and wanted > HIGHEST_PORT:
        raise UsageError(f"--port: {wanted} is above {HIGHEST_PORT}")
    host = cli.chosen_host(requested)
    console = HostConsole(progress_console(), host.name, live=False)
    link = Link(host, cli.known_hosts(), console.say)
    with ExitStack() as opened:
        opened.callback(link.close)
        box, state = link.open()
        require_answer(box, state)
        key_file = keep_key(box)
        here = _listen(opened, link, wanted, state.port, console)
        _tell(
            host,
            state,
            Endpoint(f"http://127.0.0.1:{here}/v1", state.model, key_file),
            as_json=as_json,
        )
        try:
            link.keep_up()
        except KeyboardInterrupt:
            console.say("tunnel closed")
    return 0


def require_answer(box: Connected, state: ServiceState) -> None:
    """Ask the server for its models, with the key. Raises UnhealthyError when it is down."""
    try:
        with client(box, state, timeout_s=30.0) as api:
            api.models()
    except UnhealthyError as error:
        if not state.loaded:
            raise
        name = box.host.name
        raise UnhealthyError(
            f"{name}: the server does not answer, its service is {state.active}; look: "
            f"invoke status --host {name}",
            error.message,
        ) from error


def keep_key(box: Connected) -> Path:
    """Write the server's key to its file on this computer. Raises UnhealthyError without one."""
    key = api_key(box.session)
    if key is None:
        raise UnhealthyError(
            f"{box.host.name}: the server has no API key; run: invoke deploy --host {box.host.name}"
        )
    return kept.keep_key(box.host.name, key)


def _listen(
    opened: ExitStack, link: Link, wanted: int | None, remote: int, console: HostConsole
) -> int:
    """Listen on the port asked for, else on the API's own, else on any; return it."""
    try:
        return opened.enter_context(forwarded(link.stream, wanted or remote))
    except OSError as error:
        if wanted is not None:
            raise UsageError(
                f"--port: {wanted} cannot be listened on here ({error.strerror}); name another, or "
                "leave --port out"
            ) from error
    here = opened.enter_context(forwarded(link.stream))
    console.say(f"port {remote} is taken on this computer: listening on {here}", "yellow")
    return here


def _tell(host: Host, state: ServiceState, endpoint: Endpoint, *, as_json: bool) -> None:
    if as_json:
        cli.print_json(
            {
                "host": host.name,
                "url": endpoint.url,
                "model": endpoint.model,
                "ctx": state.ctx,
                "key_file": str(endpoint.key_file),
            }
        )
        return
    case = questions(endpoint.model).cases[0]
    print(f"{endpoint.model} on {host.name}: {endpoint.url}   key: {endpoint.key_file}")
    print(f"\nWith curl:\n\n{curl_line(endpoint, 'Say hello.')}\n")
    print(f"With Python and `pip install openai`:\n\n{openai_snippet(endpoint, case)}")
    print("Ctrl-C closes the tunnel.", flush=True)
