"""Makes loads on one server, by either generator, and writes each into the record."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from onecard import served_model
from onecard.api.client import Client
from onecard.credentials.secret import Secret
from onecard.errors import CommandError, PreflightError
from onecard.measure.bench import generator, vllm_bench
from onecard.measure.bench.box_generator import LONGEST_S, send_on_box
from onecard.measure.bench.figures import Bounds, figures
from onecard.measure.bench.loads import Load, Requests, body
from onecard.measure.metrics import MetricsWatch
from onecard.records import Record
from onecard.server.state import ServiceState
from onecard.ssh.login import Connected
from onecard.ssh.shell import Request

VLLM, ONECARD = "vllm bench serve", "onecard"
BOX, TUNNEL = "box", "tunnel"


class LoadRunner:
    """Makes loads on one server.

    api: a client through the tunnel; the server requires `key` there. watched: another client, for
    /metrics. failed: requests of all loads so far that were not answered.
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
        """Create the folder on the box. Raises PreflightError where vLLM is older than 0.32."""
        session, name = self._box.session, self._box.host.name
        if session.run(vllm_bench.available()).code != 0:
            raise PreflightError(
                f"{name}: vllm bench serve: this version accepts no whole messages as a dataset; "
                f"install vLLM 0.32 or newer: invoke upgrade --host {name}"
            )
        made = session.run(vllm_bench.prepare(self._box.host.settings.user))
        if made.code != 0:
            raise CommandError(f"{name}: {vllm_bench.FOLDER}: cannot be created", made.output)

    def vllm(self, load: Load) -> dict[str, Any]:
        """Run a load with `vllm bench serve` on the box; record and return its figures."""
        contents = self._requests.contents(load)
        script = vllm_bench.script(
            load,
            url=self._url,
            model=self._state.model,
            tokenizer=served_model.folder(self._box.host),
            user=self._box.host.settings.user,
            bounds=self._bounds,
        )
        readable = f"chown {self._box.host.settings.user} {vllm_bench.DATASET}"
        data = vllm_bench.dataset(contents).encode()
        self._box.session.send([Request("put", data, vllm_bench.DATASET), Request.run(readable)])
        with MetricsWatch(self._watched.metrics) as watch:
            done = self._box.session.run(script, timeout=LONGEST_S)
        if done.code != 0:
            tail = "\n".join(done.output.splitlines()[-15:])
            raise CommandError(f"{self._box.host.name}: vllm bench serve failed", tail)
        found = vllm_bench.read_result(self._box.session.run(f"cat {vllm_bench.RESULT}").output)
        return self._record_load(load, VLLM, BOX, found, watch)

    def onecard_on_box(self, load: Load) -> dict[str, Any]:
        """Run a load with this project's generator on the box; record and return its figures."""
        bodies = self._bodies(load)
        with MetricsWatch(self._watched.metrics) as watch:
            times = send_on_box(
                self._box,
                self._state,
                bodies,
                concurrency=load.concurrency or load.requests,
                has_key=self._key is not None,
            )
        return self._record_load(load, ONECARD, BOX, figures(times, self._bounds), watch)

    def onecard_through_tunnel(self, load: Load) -> dict[str, Any]:
        """Run a load with this project's generator here; record and return its figures."""
        key = self._key.reveal() if self._key else ""
        bodies = self._bodies(load)
        with MetricsWatch(self._watched.metrics) as watch:
            times = generator.run_load(
                self._api.base_url, key, bodies, load.concurrency or load.requests
            )
        return self._record_load(load, ONECARD, TUNNEL, figures(times, self._bounds), watch)

    @property
    def _url(self) -> str:
        return self._state.url

    def _bodies(self, load: Load) -> list[dict[str, Any]]:
        contents = self._requests.contents(load)
        return [body(self._state.model, content, load.output_tokens) for content in contents]

    def _record_load(
        self, load: Load, name: str, via: str, found: dict[str, Any], watch: MetricsWatch
    ) -> dict[str, Any]:
        peaks = watch.load
        values = {
            **load.offered,
            "generator": name,
            "via": via,
            **found,
            "kv_use_peak": peaks.kv_use_peak,
            "running_peak": peaks.running_peak,
            "waiting_peak": peaks.waiting_peak,
            "preemptions": peaks.preemptions,
        }
        self._record.add("load", **values)
        self.failed += found["failed"]
        return values


def tunnel_values(
    tunnel: Sequence[dict[str, Any]], box: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return the values of the `tunnel` event from alternating rounds: medians of medians.

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
