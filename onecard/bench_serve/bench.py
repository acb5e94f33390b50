"""Makes loads on one server, by either generator, and notes each in the record."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from statistics import median
from typing import Any

from onecard import layout
from onecard.bench_serve import generator, vllm_bench
from onecard.bench_serve.figures import Bounds, figures
from onecard.bench_serve.loads import Load, Requests, body
from onecard.connect import Connected
from onecard.errors import CommandError, PreflightError
from onecard.measure.metrics import MetricsWatch
from onecard.runs import Record
from onecard.secret import Secret
from onecard.server import ServiceState
from onecard.session import Request
from onecard.smoke.client import Client
from roles import model

VLLM, ONECARD = "vllm bench serve", "onecard"
BOX, TUNNEL = "box", "tunnel"
_SCRIPT, _SPEC = f"{vllm_bench.FOLDER}/generator.py", f"{vllm_bench.FOLDER}/spec.json"
_LONGEST_S = 3600.0


class Bench:
    """Loads on one server.

    api: a client through the tunnel, at which `key` is wanted. watched: another, for /metrics.
    failed: requests of all loads so far that were not answered.
    """

    def __init__(
        self,
        box: Connected,
        state: ServiceState,
        api: Client,
        *,
        key: Secret | None,
        watched: Client,
        requests: Requests,
        bounds: Bounds,
        record: Record,
    ) -> None:
        self._box, self._state, self._api, self._key = box, state, api, key
        self._watched, self._requests, self._bounds = watched, requests, bounds
        self._record = record
        self.failed = 0

    def prepare(self) -> None:
        """Make the folder on the box. Raises PreflightError where vLLM has no such generator."""
        session, name = self._box.session, self._box.host.name
        if session.run(vllm_bench.available()).code != 0:
            raise PreflightError(
                f"{name}: this vLLM's `vllm bench serve` takes no whole messages as a dataset; "
                "bench wants vLLM 0.32 or newer"
            )
        made = session.run(vllm_bench.prepare(self._box.host.settings.user))
        if made.code != 0:
            raise CommandError(f"{name}: {vllm_bench.FOLDER} could not be made", made.output)

    def vllm(self, load: Load) -> dict[str, Any]:
        """Make a load with `vllm bench serve` on the box; return and note its figures."""
        contents = self._requests.contents(load)
        script = vllm_bench.script(
            load,
            url=self._url,
            model=self._state.model,
            tokenizer=model.folder(self._box.host),
            user=self._box.host.settings.user,
            bounds=self._bounds,
        )
        readable = f"chown {self._box.host.settings.user} {vllm_bench.DATASET}"
        data = vllm_bench.dataset(contents).encode()
        self._box.session.ask([Request("put", data, vllm_bench.DATASET), Request.run(readable)])
        with MetricsWatch(self._watched.metrics) as watch:
            done = self._box.session.run(script, timeout=_LONGEST_S)
        if done.code != 0:
            tail = "\n".join(done.output.splitlines()[-15:])
            raise CommandError(f"{self._box.host.name}: vllm bench serve failed", tail)
        found = vllm_bench.read_result(self._box.session.run(f"cat {vllm_bench.RESULT}").output)
        return self._note(load, VLLM, BOX, found, watch)

    def onecard_on_box(self, load: Load) -> dict[str, Any]:
        """Make a load with this project's generator on the box."""
        spec = {
            "url": self._url,
            "key_file": layout.API_KEY if self._key else "",
            "bodies": self._bodies(load),
            "concurrency": load.concurrency or load.requests,
        }
        source = inspect.getsource(generator).encode()
        with MetricsWatch(self._watched.metrics) as watch:
            done = self._box.session.ask(
                [
                    Request("put", source, _SCRIPT),
                    Request("put", json.dumps(spec).encode(), _SPEC),
                    Request.run(
                        vllm_bench.stoppable(f"{layout.VENV}/bin/python {_SCRIPT} {_SPEC}")
                    ),
                ],
                timeout=_LONGEST_S,
            )[-1]
        if done.code != 0:
            raise CommandError(f"{self._box.host.name}: the generator failed", done.output)
        found = figures(json.loads(done.output), self._bounds)
        return self._note(load, ONECARD, BOX, found, watch)

    def onecard_through_tunnel(self, load: Load) -> dict[str, Any]:
        """Make a load with this project's generator on this computer."""
        key = self._key.reveal() if self._key else ""
        bodies = self._bodies(load)
        with MetricsWatch(self._watched.metrics) as watch:
            times = generator.run_load(
                self._api.base_url, key, bodies, load.concurrency or load.requests
            )
        return self._note(load, ONECARD, TUNNEL, figures(times, self._bounds), watch)

    @property
    def _url(self) -> str:
        return self._state.url

    def _bodies(self, load: Load) -> list[dict[str, Any]]:
        contents = self._requests.contents(load)
        return [body(self._state.model, content, load.output_tokens) for content in contents]

    def _note(
        self, load: Load, name: str, via: str, found: dict[str, Any], watch: MetricsWatch
    ) -> dict[str, Any]:
        seen = watch.load
        values = {
            **load.offered,
            "generator": name,
            "via": via,
            **found,
            "kv_use_peak": seen.kv_use_peak,
            "running_peak": seen.running_peak,
            "waiting_peak": seen.waiting_peak,
            "preemptions": seen.preemptions,
        }
        self._record.add("load", **values)
        self.failed += found["failed"]
        return values


def tunnel_values(
    tunnel: Sequence[dict[str, Any]], box: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return the values of the `tunnel` event from rounds that took turns: medians of medians.

    None where no request was answered.
    """

    def middle(loads: Sequence[dict[str, Any]], key: str) -> float | None:
        found = [load[key]["p50"] for load in loads if load[key]["p50"] is not None]
        return median(found) if found else None

    through, on_box = middle(tunnel, "latency_s"), middle(box, "latency_s")
    return {
        "requests": sum(load["completed"] for load in (*tunnel, *box)),
        "tunnel_p50_s": through,
        "box_p50_s": on_box,
        "tunnel_ttft_p50_s": middle(tunnel, "ttft_s"),
        "box_ttft_p50_s": middle(box, "ttft_s"),
        "added_p50_s": None if through is None or on_box is None else through - on_box,
    }
