"""Runs a plan's changes on the box as one job that outlives a dropped connection.

The job writes to a log on the box and inherits the session's lock; this side follows the log. If
the connection breaks, the job goes on and holds the lock until it ends; the next run sees what it
did, because states are read from the box and not remembered.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence

from onecard.box import paths
from onecard.engine.host_plan import (
    Item,
    StepEvent,
    job_script,
    read_disks,
    read_event,
    read_progress,
)
from onecard.engine.listener import EventListener, StepResult
from onecard.ssh.shell import Request, Session

FOLDER = paths.JOB
_TAIL_LINES = 30
# A download of 200 GB takes its hours; a job that prints nothing is still given up (idle_timeout).
_LONGEST_JOB = 7 * 86400.0  # s


def run_job(
    session: Session, changes: Sequence[Item], listener: EventListener, *, go_on: bool = False
) -> list[StepResult]:
    """Make the changes, in order, up to the first that fails; one round trip for all of them.

    go_on: also those after one that fails.
    """
    results = [StepResult(item) for item in changes]
    started = time.monotonic()
    current: StepResult | None = None

    def on_event(event: StepEvent) -> None:
        nonlocal current, started
        if event.kind == "begin":
            current, started = results[event.index], time.monotonic()
            listener.begin(current.item)
        elif current is not None:
            current.code, current.seconds = event.code, time.monotonic() - started
            listener.end(current)
            current = None

    def on_line(text: str) -> None:
        event = read_event(text)
        if event is not None and event.index < len(results):
            on_event(event)
        elif current is not None and (disks := read_disks(text)) is not None:
            current.disks = disks
        elif current is not None and (progress := read_progress(text)) is not None:
            listener.progress(current.item, *progress)
        elif current is not None:
            # A progress bar rewrites its line with carriage returns: the last state is visible.
            visible = text.rstrip("\r").rpartition("\r")[2]
            current.output = [*current.output, visible][-_TAIL_LINES:]
            listener.line(current.item, visible)

    requests = _requests(changes, go_on=go_on)
    code = session.send(requests, on_line=on_line, timeout=_LONGEST_JOB)[-1].code
    if current is not None:  # the job itself was killed in the middle of a change
        current.code = code or 1
        listener.end(current)
    return results


def _requests(changes: Sequence[Item], *, go_on: bool) -> list[Request]:
    uploads = [
        upload
        for item in changes
        for upload in item.resource.uploads(item.differences, item.actual)
    ]
    # The script, too, may hold what others must not read.
    script = f"trap 'rm -rf {paths.JOB_SECRETS} {FOLDER}/job' EXIT\n" + job_script(
        changes, go_on=go_on
    )
    folders = sorted({upload.path.rpartition("/")[0] for upload in uploads})
    prepare = f"rm -rf {FOLDER} && mkdir -p -m 0700 {FOLDER}"
    for folder in folders:
        prepare += f" && mkdir -p -- {shlex.quote(folder)}"
    watch = (
        # The log is there before the job is, or `tail` may look for it too early and give up.
        f": >{FOLDER}/log\nsetsid sh {FOLDER}/job >>{FOLDER}/log 2>&1 </dev/null & job=$!\n"
        # Its output is shown as it is written (inotify); `-s` is how soon its end is noticed.
        # Nobody reads any more: without this the shell would live, and hold the lock, for the job.
        f"tail -s 0.02 -n +1 -f --pid=$job {FOLDER}/log; [ $? -lt 128 ] || exit\nwait $job"
    )
    return [
        Request.run(prepare),
        *(Request("put", upload.payload, upload.path) for upload in uploads),
        Request("put", script.encode(), f"{FOLDER}/job"),
        Request.run(watch),
    ]
