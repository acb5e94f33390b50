"""supervisord's configuration, from the unit files."""

from __future__ import annotations

from pathlib import Path

from onecard.box import paths
from onecard.box.atomic_write import write_whole
from onecard.box.supervision.log_files import MOST_BYTES, MOST_FILES
from onecard.box.supervision.rpc import SOCKET
from onecard.box.supervision.unit import ServiceUnit, all_units

FILE = Path(paths.SUPERVISOR_CONFIGURATION)
RESTARTS = ("on-failure", "always")  # values of Restart=
START_LIMIT_HIT = 199  # exit code of the launcher; those from 200 on are systemd.exec(5)

_HEAD = f"""\
; Written by onecard.
[unix_http_server]
file = {SOCKET}
chmod = 0700

[supervisord]
user = root
identifier = onecard
directory = /
logfile = {paths.LOGS}/supervisord.log
logfile_maxbytes = 1MB
logfile_backups = 1
pidfile = {paths.SUPERVISOR_RUN}/supervisord.pid
strip_ansi = false

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""


def enabled_mark(name: str) -> Path:
    """Return the file that exists while a unit starts with the box."""
    return Path(paths.UNITS) / f"{name}.enabled"


def write() -> None:
    """Write the configuration of all units that are on the box."""
    write_whole(FILE, "\n".join([_HEAD, *(program(unit) for unit in all_units())]), 0o600)


def program(unit: ServiceUnit) -> str:
    """Return the section of one unit.

    A start counts at once (startsecs): the launcher, not supervisord, decides about the next one.
    The main process alone gets SIGTERM, as by KillMode=mixed; KILL is sent to all.
    """
    restart = unit.value("Restart")
    final = (START_LIMIT_HIT,) if restart == "always" else (0, START_LIMIT_HIT)
    python = f"{paths.SUPERVISOR}/bin/python"
    values = {
        "command": f"{python} -B -m onecard.box.supervision.launch {unit.name}",
        "environment": f'PYTHONPATH="{paths.PROGRAMS}"',
        "directory": "/",
        "autostart": "true" if enabled_mark(unit.name).exists() else "false",
        "autorestart": "unexpected" if restart in RESTARTS else "false",
        "exitcodes": ",".join(map(str, final)),
        "startsecs": "0",
        "stopsignal": unit.value("KillSignal", "SIGTERM").removeprefix("SIG"),
        "stopwaitsecs": f"{unit.seconds('TimeoutStopSec', 90):.0f}",
        "stopasgroup": "false",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": f"{paths.LOGS}/{unit.name}.log",
        "stdout_logfile_maxbytes": str(MOST_BYTES),
        "stdout_logfile_backups": str(MOST_FILES - 1),
    }
    lines = (f"{key} = {value.replace('%', '%%')}" for key, value in values.items())
    return "\n".join([f"[program:{unit.name}]", *lines, ""])
