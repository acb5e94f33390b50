"""Prometheus on the box: vLLM's metrics, the box's and the cards', alert rules, a page of charts.

All from the archives of Debian and Ubuntu, which have neither Grafana nor an exporter for NVIDIA's
cards: the page is onecard's own, and box-metrics writes what nvidia-smi says for node_exporter.
All listens on 127.0.0.1. Units and configuration are onecard's, as those of the proxy are.
"""

from __future__ import annotations

from typing import Final

from onecard.box import paths
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.monitoring import configuration as files
from onecard.resources.absent import NoPath, NoService, Removed
from onecard.resources.apt.own_packages import OwnPackages, OwnPackagesRemoved
from onecard.resources.base import Resource
from onecard.resources.files.file import Directory, File
from onecard.resources.skipped import Skipped
from onecard.resources.system.service import Service, UnitFile, configuration
from onecard.templates.render import render
from roles import expose, gateway

PACKAGES: Final = ("prometheus", "prometheus-node-exporter", "openssl")
# The packaged services would listen on every address.
QUIET: Final = ("prometheus.service", "prometheus-node-exporter.service")
RECORD: Final = f"{paths.MONITORING}/packages"
DATA_DAYS, DATA_SIZE = "15d", "2GB"


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return all of it where the setting `monitoring` is true, nothing of it where it is false."""
    if not host.settings.monitoring:
        return (Removed("monitoring", paths.MONITORING, absent()),) if facts.machine.systemd else ()
    if not facts.machine.systemd:
        return (Skipped("Prometheus", "no systemd"),)
    return (
        OwnPackages(PACKAGES, record=RECORD, quiet=QUIET),
        Directory(paths.MONITORING),
        *_box_metrics(host),
        *_node_exporter(),
        *_prometheus(),
    )


def absent() -> tuple[Resource, ...]:
    """Return all of it as absent."""
    return (
        NoService(paths.PROMETHEUS_UNIT),
        NoService(paths.NODE_EXPORTER_UNIT),
        NoService(paths.METRICS_TIMER),
        NoService(paths.METRICS_UNIT),
        OwnPackagesRemoved(RECORD, QUIET, (("prometheus", "/var/lib/prometheus"),)),
        NoPath(paths.PROMETHEUS_DATA),
        NoPath(paths.PROMETHEUS_DATA.replace("/lib/", "/lib/private/")),  # of DynamicUser=
        NoPath(paths.METRICS),
        NoPath(paths.MONITORING),
    )


def _box_metrics(host: Host) -> tuple[Resource, ...]:
    program = f"{paths.MONITORING}/box-metrics"
    command = (
        program,
        paths.METRICS,
        expose.certificate_file(host),
        f"{paths.GATEWAY_RUN}/certificate.pem",
        gateway.CONFIGURATION,
    )
    return (
        File(program, files.box_metrics(), mode=0o755),
        UnitFile(paths.METRICS_UNIT, render("onecard-metrics.service.j2", {"command": command})),
        UnitFile(paths.METRICS_TIMER, render("onecard-metrics.timer.j2", {})),
        Service(paths.METRICS_TIMER),
    )


def _node_exporter() -> tuple[Resource, ...]:
    command = (
        "/usr/bin/prometheus-node-exporter",
        f"--web.listen-address=127.0.0.1:{files.NODE_EXPORTER_PORT}",
        f"--collector.textfile.directory={paths.METRICS}",
    )
    return _running(paths.NODE_EXPORTER_UNIT, {"command": command})


def _prometheus() -> tuple[Resource, ...]:
    assets = f"{paths.MONITORING}/page"
    command = (
        "/usr/bin/prometheus",
        f"--config.file={paths.MONITORING}/prometheus.yml",
        f"--storage.tsdb.path={paths.PROMETHEUS_DATA}",
        f"--storage.tsdb.retention.time={DATA_DAYS}",
        f"--storage.tsdb.retention.size={DATA_SIZE}",
        f"--web.listen-address=127.0.0.1:{files.PROMETHEUS_PORT}",
        f"--web.user-assets={assets}",
    )
    alerts = File(f"{paths.MONITORING}/alerts.yml", files.alerts())
    settings = File(f"{paths.MONITORING}/prometheus.yml", files.prometheus())
    return (
        File(f"{assets}/index.html", files.page()),
        alerts,
        settings,
        *_running(
            paths.PROMETHEUS_UNIT,
            {"command": command, "folder": paths.MONITORING},
            alerts.content,
            settings.content,
        ),
    )


def _running(unit: str, variables: dict[str, object], *read: str) -> tuple[Resource, ...]:
    """Return a unit and its service, which restarts when the unit or what it has read changes."""
    blank = render(f"{unit}.j2", {**variables, "configuration": ""})
    fingerprint = configuration(blank, *read)
    text = render(f"{unit}.j2", {**variables, "configuration": fingerprint})
    return UnitFile(unit, text), Service(unit, configuration=fingerprint)
