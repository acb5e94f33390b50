"""One batch of hosts after another: out of the gateway, a new start, back in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from onecard.errors import OnecardError, PreflightError
from onecard.gateway.balancer import BoxState, drain, is_installed, put_back, ready, states
from onecard.inventory.host import Host
from onecard.inventory.serving_groups.gateway_group import GatewayGroup
from onecard.ssh.login import connected

Say = Callable[[Host, str], None]


@dataclass(frozen=True)
class Step:
    """What was done to one host while it was out of the gateway.

    ready_s: seconds to its first answer. error: why the wanted start failed. serves: whether a
    release answers now, this one or the one before.
    """

    changed: bool
    release: int | None
    ready_s: float | None
    serves: bool
    error: OnecardError | None = None


@dataclass(frozen=True)
class RolledHost:
    """One host's part of the roll.

    drained_s: until its requests had ended; None without a gateway. out_s: how long the gateway
    sent it nothing.
    """

    host: str
    step: Step | None = None
    error: OnecardError | None = None
    drained_s: float | None = None
    out_s: float | None = None

    @property
    def status(self) -> Literal["ok", "changed", "failed", "not begun"]:
        """Return what became of it."""
        if self.error is not None:
            return "failed"
        if self.step is None:
            return "not begun"
        return "changed" if self.step.changed else "ok"

    def to_json(self) -> dict[str, Any]:
        """Return plain values for --json."""
        values = {
            "host": self.host,
            "status": self.status,
            "release": self.step and self.step.release,
            "ready_s": self.step and self.step.ready_s,
            "drained_s": self.drained_s,
            "out_s": self.out_s,
        }
        return {**values, "error": self.error.message} if self.error else values


@dataclass(frozen=True)
class Roll:
    """step: deploys one host, and raises OnecardError where that could not be begun.

    group: the gateway of the hosts, None without one. say: prints a line about a host.
    """

    step: Callable[[Host], Step]
    group: GatewayGroup | None
    known_hosts: Path
    say: Say

    def run(self, hosts: Sequence[Host], batch: int) -> list[RolledHost]:
        """Roll so many hosts at once; after a failure the hosts behind it are not begun."""
        return replace(self, group=self._installed(hosts[0]))._batches(hosts, batch)

    def _batches(self, hosts: Sequence[Host], batch: int) -> list[RolledHost]:
        done: list[RolledHost] = []
        for first in range(0, len(hosts), batch):
            now = hosts[first : first + batch]
            if any(each.error for each in done):
                done += [RolledHost(host.name) for host in now]
                continue
            try:
                self._require_others(now)
            except OnecardError as error:
                done += [RolledHost(host.name, error=error) for host in now]
                continue
            if len(now) == 1:  # here, where Ctrl-C ends it
                done.append(self._one(now[0]))
                continue
            with ThreadPoolExecutor(len(now)) as pool:
                done += pool.map(self._one, now)
        return done

    def _installed(self, host: Host) -> GatewayGroup | None:
        """Return the group if its gateway is installed; a group's first deploy comes before it."""
        if self.group is None:
            return None
        carrier = self.group.host
        with connected(carrier, self.known_hosts) as gateway:
            if is_installed(gateway):
                return self.group
        self.say(carrier, f"has no gateway yet; then: invoke gateway --host {host.name}")
        return None

    def _require_others(self, hosts: Sequence[Host]) -> None:
        """Raise PreflightError where no box would be left to answer."""
        if self.group is None:
            return
        with connected(self.group.host, self.known_hosts) as gateway:
            found = states(gateway)
        names = [host.name for host in hosts]
        if any(each.state == "up" for name, each in found.items() if name not in names):
            return
        raise PreflightError(
            f"{', '.join(names)}: no other box would answer meanwhile ({_others(found, names)}); "
            "bring one up first, or deploy without --rolling"
        )

    def _one(self, host: Host) -> RolledHost:
        begun = time.monotonic()
        done = RolledHost(host.name)
        try:
            drained_s = None if self.group is None else self._drain(self.group, host)
            done = replace(done, drained_s=drained_s)
            if self.group is None or drained_s is None:
                step = self.step(host)
                return replace(done, step=step, error=step.error)
            step = self._stepped(self.group, host)
            done = replace(done, step=step, error=step.error)
            if not step.serves:  # a release that answers /health alone would pass the checks
                self.say(host, f"stays out of the gateway; {_back_in(host)}")
                return done
            with connected(self.group.host, self.known_hosts) as gateway:
                ready(gateway, host.name)
        except OnecardError as error:
            return replace(done, error=error)
        out_s = round(time.monotonic() - begun, 1)
        self.say(host, f"back in the gateway after {out_s:.1f} s")
        return replace(done, out_s=out_s)

    def _drain(self, group: GatewayGroup, host: Host) -> float | None:
        """Take the host out; return the seconds to its last request's end, None if it is not in."""
        said: set[int] = set()

        def waiting(running: int) -> None:
            if not said:
                self.say(host, f"out of the gateway; waits for {running} requests to end")
            said.add(running)

        with connected(group.host, self.known_hosts) as gateway:
            if host.name not in states(gateway):
                self.say(host, f"not in the gateway yet; then: invoke gateway --host {host.name}")
                return None
            seconds = drain(gateway, host.name, group.settings.drain_timeout, waiting)
        self.say(host, f"out of the gateway, drained after {seconds:.1f} s")
        return round(seconds, 1)

    def _stepped(self, group: GatewayGroup, host: Host) -> Step:
        """Run the step. Where it did not end, the gateway's own checks decide about the host.

        It was refused, and the host serves as before, or it goes on there without this computer.
        """
        try:
            return self.step(host)
        except BaseException:
            try:
                with connected(group.host, self.known_hosts) as gateway:
                    put_back(gateway, host.name)
                self.say(host, "back in the gateway as soon as it answers")
            except OnecardError:
                self.say(host, f"stays out of the gateway; {_back_in(host)}")
            raise


def _others(found: Mapping[str, BoxState], names: Sequence[str]) -> str:
    others = (f"{each.name} is {each.state}" for each in found.values() if each.name not in names)
    return ", ".join(others) or "there is none"


def _back_in(host: Host) -> str:
    return f"back in: invoke gateway --host {host.name} --ready"
