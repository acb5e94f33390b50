"""Runs this project's load generator on the box, so that no tunnel is in the times."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from typing import Any, Final

from onecard.box import paths
from onecard.errors import CommandError
from onecard.json_text import parse_json
from onecard.measure.bench import generator, vllm_bench
from onecard.server.state import ServiceState
from onecard.ssh.login import Connected
from onecard.ssh.shell import Request

LONGEST_S: Final = 3600.0
_SCRIPT, _SPEC = f"{vllm_bench.FOLDER}/generator.py", f"{vllm_bench.FOLDER}/spec.json"


def send_on_box(
    box: Connected,
    state: ServiceState,
    bodies: Sequence[dict[str, Any]],
    *,
    concurrency: int,
    has_key: bool,
) -> list[dict[str, Any]]:
    """Send chat requests on the box, `concurrency` at once; return their times (generator.py).

    The folder of `vllm_bench.prepare` must be there. Raises CommandError.
    """
    spec = {
        "url": state.url,
        "key_file": paths.API_KEY if has_key else "",
        "bodies": list(bodies),
        "concurrency": concurrency,
    }
    done = box.session.send(
        [
            Request("put", inspect.getsource(generator).encode(), _SCRIPT),
            Request("put", json.dumps(spec).encode(), _SPEC),
            Request.run(vllm_bench.stoppable(f"{paths.VENV}/bin/python {_SCRIPT} {_SPEC}")),
        ],
        timeout=LONGEST_S,
    )[-1]
    if done.code != 0:
        raise CommandError(f"{box.host.name}: the generator failed", done.output)
    try:
        found: list[dict[str, Any]] = parse_json(done.output)
    except ValueError as error:
        message = f"{box.host.name}: the generator printed no figures ({error})"
        raise CommandError(message, done.output[-1000:]) from error
    return found
