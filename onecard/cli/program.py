"""The command `onecard`: an Invoke program with the tasks of tasks.py, wherever it is started.

pyproject.toml names `main`; the tasks.py of a folder of one's own imports `namespace`.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from onecard.shipped import IS_CLONE, SHIPPED

if IS_CLONE:
    sys.dont_write_bytecode = True  # as Invoke does; byte_code.py stores it elsewhere

import onecard.byte_code  # noqa: F401  # before the modules whose byte code it stores
from onecard import __version__
from onecard.cli.command_name import NamedStream
from onecard.cli.short_exit import process_runs_tasks

if TYPE_CHECKING:
    from invoke import Collection


def _load_namespace() -> Collection:
    """Return the collection of tasks.py, which is not a module of a package."""
    spec = spec_from_file_location("onecard_tasks", SHIPPED / "tasks.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{SHIPPED / 'tasks.py'}: cannot be loaded")
    module: Any = module_from_spec(spec)
    spec.loader.exec_module(module)
    return cast("Collection", module.namespace)


namespace: Final = _load_namespace()


def main() -> None:
    """Run `onecard COMMAND ...`; exit with its code."""
    from invoke import Program

    process_runs_tasks()
    commands = tuple(namespace.task_names)
    sys.stdout = cast(TextIO, NamedStream(sys.stdout, commands))
    sys.stderr = cast(TextIO, NamedStream(sys.stderr, commands))
    Program(
        version=__version__,
        namespace=namespace,
        name="onecard",
        binary="onecard",
        binary_names=["onecard"],
    ).run()
