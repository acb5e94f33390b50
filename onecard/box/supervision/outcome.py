"""How a unit's last run ended, from supervisord's own log.

supervisord forgets an exit status when it starts the next run, and its interface never names a
signal.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path

from onecard.box import paths

# Exit codes of the launcher, as systemd.exec(5) numbers and names them.
STATUS = {200: "CHDIR", 203: "EXEC", 217: "USER", 243: "CREDENTIALS"}
LOG = Path(paths.LOGS) / "supervisord.log"
# supervisor/process.py (finish), supervisor/options.py (decode_wait_status)
_END = re.compile(
    r"(?:exited|stopped): (?P<name>\S+) \((?:exit status (?P<status>-?\d+)"
    r"|terminated by (?P<signal>SIG\w+|signal \d+))"
)


def last_outcome(name: str) -> tuple[str, str]:
    """Return systemd's Result= of a unit's last run, and systemd's line about its end.

    ("success", "") where it ended with 0, or the log has no end of it.
    """
    found = None
    for log in (LOG.with_name(f"{LOG.name}.1"), LOG):
        for line in log.read_text("utf-8", "replace").splitlines() if log.exists() else ():
            if (match := _END.search(line)) and match["name"] == name:
                found = match
    if found is None or found["status"] == "0":
        return "success", ""
    if found["status"]:
        status = f"{found['status']}/{STATUS.get(int(found['status']), 'FAILURE')}"
        return "exit-code", f"Main process exited, code=exited, status={status}"
    return "signal", f"Main process exited, code=killed, status={_signal(found['signal'])}"


def _signal(name: str) -> str:
    """Return a signal as systemd names it: `9/KILL`."""
    try:
        number = int(signal.Signals[name])
    except KeyError:
        number = int(re.sub(r"\D", "", name) or "0")
    return f"{number}/{name.removeprefix('SIG')}"
