"""Detect log lines after which a starting server will not come up, before its process ends.

They are not a diagnosis: most are wrappers (see onecard/diagnosis). They only show that waiting for
the deadline is useless.
"""

from __future__ import annotations

import re

from onecard.startup_log.line import LogLine

_MESSAGES = (
    "EngineCore failed to start",
    "EngineCore encountered a fatal error",
    "EngineCore hit an exception",
    "EngineCore encountered an issue",
    "Engine background task failed",
    "Exception in worker VllmWorkerProcess while processing method",
    "Background loop has errored already",
    "is already dead, terminating server process",
    "Engine loop is dead",
    "Engine loop has died",
    "Engine core initialization failed",
    "Engine process failed to start",
    "WorkerProc failed to start",
    "WorkerProc initialization failed",
    "died unexpectedly",
    "vllm: error: ",
    "vllm serve: error: ",
    "error while attempting to bind on address",
    "Fatal Python error:",
    "terminate called after throwing",
    "Segfault encountered",
)
# An exception that reaches the program's own first frame ends the program.
_FIRST_FRAME = re.compile(r'\s*File "[^"]{1,300}/bin/vllm", line \d+, in <module>')
_CHILD = re.compile(r"Process (?:EngineCore|VllmWorker|Worker|SpawnProcess)[\w-]{0,40}:\s*$")
_SYSTEMD = (
    "ain process exited, code=",
    "Failed with result '",
    "Failed at step ",
    "Failed to locate executable",
    "Start request repeated too quickly",
    "killed by the OOM killer",
)
# Literals of which each line that shows a death holds one.
DEATH_WORDS = (*_MESSAGES, *_SYSTEMD, "/bin/vllm", "Process ", "Killed process")
_CLEAN_EXIT = "status=0/SUCCESS"
_KERNEL = ("Out of memory: Killed process", "Memory cgroup out of memory: Killed process")


def is_death(line: LogLine) -> bool:
    """Return whether `line` shows that the server, or a process that it needs, has died."""
    message = line.message
    if line.program == "systemd":
        return any(text in message for text in _SYSTEMD) and _CLEAN_EXIT not in message
    if line.program == "kernel":
        return any(text in message for text in _KERNEL)
    if line.level in ("INFO", "WARNING", "DEBUG"):
        return False
    if any(text in message for text in _MESSAGES):
        return True
    return bool(_FIRST_FRAME.match(message) or _CHILD.match(message))
