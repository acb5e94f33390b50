"""End the process at once when its tasks have ended, and quietly when its reader has gone.

Python would first take every module and object apart, which takes longer than many a command. What
the interpreter itself guarantees is done: output is flushed, threads other than daemons have been
waited for, and exit handlers registered after this module's import have run.

A reader such as `head` closes its end of the pipe early. That is not an error, whoever prints:
a task, or Invoke itself for --list and --help, which would show a traceback.
"""

from __future__ import annotations

import atexit
import os
import sys
from types import TracebackType
from typing import Final

READER_GONE: Final = 1  # the exit code; the documentation of Python's `signal` advises it

_code: int | None = None
_runs_tasks = False


def exit_code_is(code: int) -> None:
    """Note the exit code of the task that has just ended; a later task's replaces it."""
    global _code  # noqa: PLW0603  # of the process, like its exit code
    _code = code


def process_runs_tasks() -> None:
    """Note that this process is the command `onecard`, as others are recognised as `invoke`."""
    global _runs_tasks  # noqa: PLW0603  # of the process
    _runs_tasks = True


def discard_output() -> None:
    """Send what is still to be printed to /dev/null: nobody reads it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _is_ours() -> bool:
    """Return whether this process is `invoke` or `onecard`, and no program that imports tasks."""
    main = sys.modules["__main__"]
    program = getattr(sys.modules.get("invoke.main"), "program", None)
    return _runs_tasks or main.__package__ == "invoke" or getattr(main, "program", main) is program


@atexit.register
def _end() -> None:
    # A traceback that Python has printed, of Invoke itself, has an exit code of its own.
    if hasattr(sys, "last_value") or not _is_ours():
        return
    code = _code
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        discard_output()
        code = READER_GONE
    except (OSError, ValueError):
        return
    if code is not None:
        os._exit(code)


_show_traceback = sys.excepthook


def _leave(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not (issubclass(kind, BrokenPipeError) and _is_ours()):
        _show_traceback(kind, error, trace)
        return
    discard_output()


sys.excepthook = _leave
