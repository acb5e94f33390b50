"""Prometheus on a real box: all targets up, an alert that fires, nothing public, nothing left."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.box.conftest import INVOKE, PROJECT, Box, Controller, wait_until

pytestmark = pytest.mark.box

ON = ("provision", "--host", "sandbox", "--set", "monitoring=true")
OFF = ("provision", "--host", "sandbox", "--set", "monitoring=false")
STATE = (
    "dpkg-query -W; ls -A /etc/onecard /var/lib /var/lib/private; ls -d /run/onecard-*; "
    "systemctl list-unit-files --no-pager --no-legend; ss -ltnH | awk '{print $4}' | sort"
)
# Where `expose --tls internal` has its certificate; this host has none.
CERTIFICATE = "/etc/letsencrypt/live/onecard/fullchain.pem"


class Metrics:
    """`invoke tunnel --to metrics`, and Prometheus through it."""

    def __init__(self, controller: Controller) -> None:
        self.process = subprocess.Popen(
            [INVOKE, "tunnel", "--host", "sandbox", "--to", "metrics", "--json"],
            cwd=PROJECT, env=controller.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        lines = iter(self.process.stdout.readline, "")
        text = ""
        for line in lines:
            text += line
            if line == "}\n":
                break
        self.url: str = json.loads(text)["url"]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url.partition("/user/")[0] + path, timeout=10) as answer:
            return str(answer.read().decode())

    def data(self, path: str) -> Any:
        return json.loads(self.get(f"/api/v1/{path}"))["data"]

    def up(self) -> dict[str, str]:
        found = self.data("query?query=up")["result"]
        return {each["metric"]["job"]: each["value"][1] for each in found}

    def firing(self) -> dict[str, str]:
        found = self.data("alerts")["alerts"]
        fired = [each for each in found if each["state"] == "firing"]
        return {each["labels"]["alertname"]: each["annotations"]["summary"] for each in fired}

    def close(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)


@pytest.fixture(scope="module")
def before(box: Box, deployed: Any) -> str:
    return box(STATE)


@pytest.fixture(scope="module")
def monitored(controller: Controller, box: Box, before: str) -> Iterator[Any]:
    yield controller.json(*ON)
    box(f"rm -rf {CERTIFICATE.rpartition('/live/')[0]}")
    controller.json(*OFF)


def test_a_second_run_changes_nothing(controller: Controller, monitored: Any) -> None:
    (first,) = monitored["hosts"]
    assert [role["changed"] > 0 for role in first["roles"] if role["name"] == "monitoring"] == [
        True
    ]
    (again,) = controller.json(*ON)["hosts"]
    assert (again["status"], again["changed"]) == ("ok", 0)


def test_promtool_finds_no_fault_and_nothing_listens_for_others(box: Box, monitored: Any) -> None:
    checked = box("promtool check config /etc/onecard/monitoring/prometheus.yml")
    assert "FAILED" not in checked
    listening = box("ss -ltnH | awk '{print $4}'").split()
    assert {each for each in listening if each.endswith((":19090", ":19100"))} == {
        "127.0.0.1:19090",
        "127.0.0.1:19100",
    }
    assert box("systemctl is-enabled prometheus prometheus-node-exporter 2>&1 || true").split() == [
        "masked",
        "masked",
    ]


def test_the_targets_are_up_and_an_alert_fires(
    controller: Controller, box: Box, monitored: Any
) -> None:
    # From the certificate's file to the rule: box-metrics, node_exporter, Prometheus.
    box(
        f"mkdir -p {CERTIFICATE.rpartition('/')[0]}\n"
        "openssl req -x509 -newkey rsa:2048 -nodes -days 5 -subj /CN=box1 -keyout /dev/null "
        f"-out {CERTIFICATE} 2>/dev/null\nsystemctl start onecard-metrics"
    )
    metrics = Metrics(controller)
    try:
        wait_until(metrics.process, lambda: metrics.up() == {"vllm": "1", "box": "1"})
        wait_until(metrics.process, lambda: "CertificateEnds" in metrics.firing())
        assert "of expose ends in 4d 23h" in metrics.firing()["CertificateEnds"]
        assert "Time to first token" in metrics.get("/user/index.html")
        assert metrics.data("query?query=vllm:kv_cache_usage_perc")["result"]
    finally:
        assert metrics.close() == 0


def test_off_leaves_what_was_there(
    controller: Controller, box: Box, before: str, monitored: Any
) -> None:
    box(f"rm -rf {CERTIFICATE.rpartition('/live/')[0]}")
    (off,) = controller.json(*OFF)["hosts"]
    assert off["changed"] == 1
    deadline = time.monotonic() + 10  # the tunnel's last connections
    while (now := box(STATE)) != before and time.monotonic() < deadline:
        time.sleep(0.5)
    assert now == before
    (again,) = controller.json(*OFF)["hosts"]
    assert again["changed"] == 0
    done = controller.invoke("tunnel", "--host", "sandbox", "--to", "metrics")
    assert done.returncode == 1
    assert "Prometheus does not run there; set monitoring: true" in done.stderr
