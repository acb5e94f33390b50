"""What ran before a measurement that restarts the server, and how it comes back.

The unit and its environment file are copied aside on the box, so that they come back exactly as
they were, also when the run that copied them was killed: the next one finds the copy and keeps it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from rich.console import Console

from onecard import layout
from onecard.commands.deploy import wait_for_answer
from onecard.connect import connected, holder
from onecard.errors import BusyError, CommandError
from onecard.host import Host
from onecard.resources.base import fields
from onecard.runs import Record
from onecard.server import service_state
from onecard.session import Request, Session

FOLDER: Final = f"{layout.HOME}/before-scale"
_PATIENCE_S: Final = 120.0  # that a job which was broken off may hold the lock

_KEEP = f"""set -e
if [ ! -d {FOLDER} ]; then
  rm -rf {FOLDER}.new; mkdir -p {FOLDER}.new
  for file in {layout.UNIT_FILE} {layout.ENVIRONMENT}; do
    [ ! -e $file ] || cp -p $file {FOLDER}.new/
  done
  systemctl is-active {layout.UNIT} >{FOLDER}.new/active || true
  mv {FOLDER}.new {FOLDER}
fi
echo "Active=$(cat {FOLDER}/active)"
sed -n 's/^ExecStart=/Command=/p' {FOLDER}/{layout.UNIT} 2>/dev/null || true
"""
# A server that runs as it did is left alone: a restart would cost minutes for nothing.
_RESTORE = f"""set -e
cd {FOLDER}
if [ ! -e {layout.UNIT} ]; then
  systemctl disable --now {layout.UNIT}; rm -f {layout.UNIT_FILE}; systemctl daemon-reload; exit
fi
verb=start
for pair in {layout.UNIT}:{layout.UNIT_FILE} vllm.env:{layout.ENVIRONMENT}; do
  kept=${{pair%%:*}}; file=${{pair#*:}}
  cmp -s $kept $file || {{ verb=restart; cp -p $kept $file; }}
done
systemctl daemon-reload
case $(cat active) in
  active|activating|reloading)
    systemctl reset-failed {layout.UNIT} 2>/dev/null || true
    systemctl $verb {layout.UNIT} ;;
  *) systemctl stop {layout.UNIT} ;;
esac
"""


@dataclass(frozen=True)
class Before:
    """What ran. active: it was running. ctx in tokens and model: as its unit says, 0 and empty
    where nothing was deployed."""

    active: bool
    ctx: int
    model: str


def keep_before(session: Session) -> Before:
    """Copy aside what runs now, unless an earlier run has left its copy. Raises CommandError."""
    done = session.run(_KEEP)
    if done.code != 0:
        raise CommandError("what runs now could not be copied aside", done.output)
    told = fields(done.output)
    words = told.get("Command", "").replace('"', "").split()
    options = dict(pairwise(words))
    return Before(
        active=told.get("Active", "") in ("active", "activating", "reloading"),
        ctx=int(options.get("--max-model-len", "0")),
        model=options.get("--served-model-name", ""),
    )


def restore(
    host: Host, known_hosts: Path, before: Before, console: Console, record: Record
) -> None:
    """Bring back what ran before, over a connection of its own, and wait until it answers.

    The connection that was interrupted may be in the middle of an answer, so it is not used.
    Raises OnecardError; the copy on the box is then kept.
    """
    with connected(host, known_hosts) as box:
        _lock(box.session)
        done = box.session.run(_RESTORE)
        if done.code != 0:
            raise CommandError(f"{host.name}: what ran before could not be put back", done.output)
        if before.active:
            wait_for_answer(box, host, console, before.model)
            state = service_state(box.session)
            if (state.ctx, state.model) != (before.ctx, before.model):
                raise CommandError(
                    f"{host.name}: {state.model} at {state.ctx} runs, not {before.model} at "
                    f"{before.ctx}"
                )
        box.session.run(f"rm -rf {FOLDER}")
    record.add("restored", ctx=before.ctx, model=before.model, active=before.active)


def _lock(session: Session) -> None:
    """Take the lock, waiting for a job that goes on to its end."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            session.ask([Request("lock", holder("scale").encode())])
        except BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1.0)
        else:
            return
