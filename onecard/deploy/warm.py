"""Fills the compile caches of a box that is not serving: a start, then a stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onecard.box.paths import UNIT
from onecard.deploy.console import DeployConsole
from onecard.deploy.deployment import Deployment, deploy_host
from onecard.deploy.service_control import stop_server
from onecard.engine.listener import EventListener
from onecard.inventory.host import Host
from onecard.server.state import ServiceState, service_state
from onecard.settings.settings import Settings
from onecard.ssh.login import Connected
from onecard.startup_log.phase import Phase


@dataclass(frozen=True)
class WarmUp:
    """What filled the caches. skipped: why nothing was started. done: the start otherwise."""

    skipped: str = ""
    done: Deployment | None = None

    @property
    def error(self) -> str:
        """Return why the start failed; empty where it did not."""
        error = self.done.error if self.done else None
        return error.message if error else ""

    @property
    def line(self) -> str:
        """Return what was done and how long it took, or why not."""
        if self.done is None or self.done.check is None:
            return f"not warmed: {self.skipped}"
        start = self.done.check.first
        compiled = sum(
            state.seconds
            for state in start.tracker.phases
            if state.phase in (Phase.COMPILE, Phase.PROFILE)
        )
        return (
            f"warmed: release {start.release} answered after {start.seconds or 0:.1f} s, "
            f"{compiled:.1f} s of them compile and profiling, and was stopped; the next start "
            "finds what it compiled"
        )


def warm_host(
    box: Connected,
    host: Host,
    console: DeployConsole,
    *,
    deployed: bool,
    listeners: Sequence[EventListener] = (),
) -> WarmUp:
    """Start the server with the host's settings until it has answered, then stop it.

    deployed: whether a release was installed before; else the unit does not start at boot. A start
    that fails is in the result. Raises what `deploy_host` raises.
    """
    try:
        done = deploy_host(box, host, console, listeners=listeners, command="provision --warm")
    except KeyboardInterrupt:
        console.say(f"the server stays up; stop it: invoke stop --host {host.name}")
        raise
    # Also after a failure, which may have brought back a release that was stopped on purpose.
    if service_state(box.session).loaded:
        stop_server(box)
        if not deployed:
            box.session.run(f"services disable {UNIT}")
    return WarmUp(done=done)


def reason_to_skip(state: ServiceState, settings: Settings) -> str:
    """Return why nothing is started; empty where a start fills the caches."""
    if state.loaded and not state.down:
        return f"a server runs already ({state.active})"
    if settings.accelerator == "cpu" and settings.serve.enforce_eager:
        return "on a CPU with enforce_eager a start compiles nothing"
    return ""
