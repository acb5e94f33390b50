"""The step of a job that starts the server: its lines reach the startup check, and nothing else."""

from __future__ import annotations

import io
import json

from rich.console import Console

from onecard.box import paths
from onecard.box.tell import MARK
from onecard.deploy.console import DeployConsole
from onecard.deploy.watch import StartWatch
from onecard.engine.host_plan import HostPlan, Item
from onecard.engine.listener import EventListeners, StepResult
from onecard.resources.files.file import File
from onecard.resources.system.release import Served
from onecard.resources.system.service import Service


def test_a_start_is_shown_by_its_phases_and_followed_by_the_check() -> None:
    output = io.StringIO()
    console = DeployConsole(Console(file=output, width=120, highlight=False), "box1")
    watch = StartWatch(console)
    both = EventListeners(watch, console)
    server = Item("serve", Served(Service(paths.UNIT), deadline_s=10, back=True), {}, {})
    file = Item("serve", File("/etc/a", "x"), {}, {})
    plan = HostPlan((file, server))
    both.planned(plan)
    both.begin(file)
    both.line(file, f"{MARK} {json.dumps({'event': 'back', 'release': 3})}")
    both.end(StepResult(file, 0, 1.0))
    assert (watch.plan, watch.check, watch.ended) == (plan, None, False)
    both.begin(server)
    both.line(server, f"{MARK} {json.dumps({'line': 'Application startup complete.'})}")
    failed = {"event": "failed", "release": 4, "reason": "it ended"}
    both.line(server, f"{MARK} {json.dumps(failed)}")
    both.line(server, f"{MARK} {json.dumps({'event': 'back', 'release': 3})}")
    answered = {"event": "answered", "release": 3, "seconds": 2.0, "memory": []}
    both.line(server, f"{MARK} {json.dumps(answered)}")
    both.end(StepResult(server, 1, 9.0))
    assert watch.ended
    assert watch.check is not None
    assert (watch.check.first.reason, watch.check.back_to) == ("it ended", 3)
    shown = output.getvalue()
    assert shown.count("going back to release 3") == 1
    assert "answered" in shown
    assert f"serve   failed       9.0 s  {server.resource.name}" in shown
