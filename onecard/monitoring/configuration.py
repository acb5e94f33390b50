"""The files of Prometheus on a box. Pure.

vLLM answers /metrics without the API key, which it requires below /v1 alone (vllm,
entrypoints/openai/server_utils.py), so Prometheus is given no key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from onecard.box import paths

PROMETHEUS_PORT: Final = 19090  # not the usual 9090: another Prometheus on the box stays as it is
NODE_EXPORTER_PORT: Final = 19100
PAGE: Final = "user/index.html"  # below Prometheus' own address (--web.user-assets)
EVERY: Final = "10s"
_HERE: Final = Path(__file__).parent
_HEADER: Final = "# Written by onecard; edits are overwritten by the next `invoke provision`.\n"


def prometheus() -> str:
    """Return Prometheus' configuration: server, gateway, box, and where the alert rules are."""
    found: dict[str, Any] = {
        "global": {"scrape_interval": EVERY, "scrape_timeout": "5s", "evaluation_interval": EVERY},
        "rule_files": [f"{paths.MONITORING}/alerts.yml"],
        "scrape_configs": [
            # Only the box knows the port of the current release, and whether it is a gateway.
            {"job_name": "vllm", "file_sd_configs": [{"files": [f"{paths.METRICS}/server.json"]}]},
            {
                "job_name": "gateway",
                "file_sd_configs": [{"files": [f"{paths.METRICS}/gateway.json"]}],
            },
            {
                "job_name": "box",
                "static_configs": [{"targets": [f"127.0.0.1:{NODE_EXPORTER_PORT}"]}],
            },
        ],
    }
    return _HEADER + str(yaml.safe_dump(found, sort_keys=False))


def alerts() -> str:
    """Return the alert rules."""
    return _HEADER + (_HERE / "alerts.yml").read_text(encoding="utf-8")


def page() -> str:
    """Return the page of charts, which asks Prometheus itself."""
    return (_HERE / "page.html").read_text(encoding="utf-8")


def box_metrics() -> str:
    """Return the program that writes what neither vLLM nor node_exporter knows of a box."""
    return (_HERE / "box-metrics.sh").read_text(encoding="utf-8")
