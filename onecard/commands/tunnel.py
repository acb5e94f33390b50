"""`invoke tunnel`."""

from __future__ import annotations

from onecard.access.snippets import Endpoint, curl_line, openai_snippet
from onecard.access.tunnel import open_metrics, open_tunnel
from onecard.cli import flag_values, targets
from onecard.cli.output import print_json
from onecard.console.host_console import HostConsole, progress_console
from onecard.errors import UsageError
from onecard.inventory.host import Host
from onecard.server.state import ServiceState
from onecard.smoke.questions import questions

HIGHEST_PORT = 65535


def tunnel(requested: str, *, port: str | None, as_json: bool) -> int:
    """Forward a port of this computer's 127.0.0.1 to the API until Ctrl-C.

    Raises UnhealthyError when the server does not answer.
    """
    wanted = _port(port)
    host = targets.chosen_host(requested)
    console = HostConsole(progress_console(), host.name, live=False)
    with open_tunnel(host, targets.known_hosts(), console.say, wanted) as opened:
        _print(host, opened.state, opened.endpoint, as_json=as_json)
        try:
            opened.connection.reconnect_forever()
        except KeyboardInterrupt:
            console.say("tunnel closed")
    return 0


def metrics(requested: str, *, port: str | None, as_json: bool) -> int:
    """Forward a port of this computer's 127.0.0.1 to the host's Prometheus until Ctrl-C.

    Raises UnhealthyError where Prometheus does not run.
    """
    wanted = _port(port)
    host = targets.chosen_host(requested)
    console = HostConsole(progress_console(), host.name, live=False)
    opening = open_metrics(host, targets.known_hosts(), console.say, wanted)
    with opening as (connection, url):
        if as_json:
            print_json({"host": host.name, "url": url})
        else:
            print(f"metrics of {host.name}: {url}\nCtrl-C closes the tunnel.", flush=True)
        try:
            connection.reconnect_forever()
        except KeyboardInterrupt:
            console.say("tunnel closed")
    return 0


def _port(given: str | None) -> int | None:
    wanted = None if given is None else flag_values.positive("--port", given)
    if wanted is not None and wanted > HIGHEST_PORT:
        raise UsageError(f"--port: {wanted} is above {HIGHEST_PORT}")
    return wanted


def _print(host: Host, state: ServiceState, endpoint: Endpoint, *, as_json: bool) -> None:
    if as_json:
        print_json(
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
