"""The end of `invoke provision --warm`."""

from __future__ import annotations

from onecard.cli import targets
from onecard.deploy.console import DeployConsole, deploy_console
from onecard.deploy.deployment_record import note_deployment
from onecard.deploy.warm import WarmUp, reason_to_skip, warm_host
from onecard.engine.host_report import HostReport
from onecard.errors import OnecardError
from onecard.inventory.host import Host, with_api_key
from onecard.records import recorded
from onecard.records.record_listener import RecordListener
from onecard.server.state import service_state
from onecard.ssh.login import connected


def warm(host: Host, report: HostReport) -> None:
    """Fill a host's compile caches, say in one line how, and note it in its report."""
    host = with_api_key(host)
    console = deploy_console(host)
    try:
        found = _warm(host, console)
    except OnecardError as error:
        report.error, report.detail, report.exit_code = error.message, error.detail, error.exit_code
        return
    if found.error:
        report.error, report.exit_code = found.error, 1
        report.detail = found.done.error.detail if found.done and found.done.error else ""
        return
    report.warm = found.line
    console.say(found.line)


def _warm(host: Host, console: DeployConsole) -> WarmUp:
    with connected(host, targets.known_hosts()) as box:
        before = service_state(box.session)
        if skipped := reason_to_skip(before, host.settings):
            return WarmUp(skipped)
        with recorded("deploy", host) as record:
            listeners = [RecordListener(record)]
            found = warm_host(box, host, console, deployed=before.loaded, listeners=listeners)
            if found.done:
                note_deployment(record, found.done)
        return found
