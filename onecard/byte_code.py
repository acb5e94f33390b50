"""Store this project's byte code outside its source folders, where those may not hold it.

Invoke switches byte code off for what it loads (`--write-pyc` switches it on), and so does
PYTHONDONTWRITEBYTECODE, as in many container images: every command would compile every module
again. Both mean that nothing may be written beside the source, so the byte code goes into a private
folder under the user's cache. Only this project's modules are affected: other packages are
installed with theirs. Without such a folder, modules are compiled each time.

tasks.py imports this before every other module; beside private_files.py it imports only what Invoke
has loaded already.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader
from importlib.util import cache_from_source
from pathlib import Path
from threading import RLock
from types import CodeType

from onecard.private_files import private_folder

_BROKEN = (EOFError, ImportError, TypeError, ValueError)  # what a truncated file raises
_one_at_a_time = RLock()  # both settings apply to the whole process


def _redirect_byte_code(*packages: Path) -> None:
    """Store the byte code of these folders' modules elsewhere if it cannot lie beside them.

    PYTHONPYCACHEPREFIX, if the user sets it, is used as it is.
    """
    if not sys.dont_write_bytecode and all(os.access(folder, os.W_OK) for folder in packages):
        return
    if sys.pycache_prefix is None:
        prefix = private_folder("pycache")
    else:
        prefix = None if sys.flags.dont_write_bytecode else sys.pycache_prefix
    if prefix is None:
        return
    loader = type("Loader", (_ByteCodeLoader,), {"folder": prefix})

    def finder(path: str) -> FileFinder:
        if any(Path(path).is_relative_to(folder) for folder in packages):
            return FileFinder(path, (loader, SOURCE_SUFFIXES))
        raise ImportError(path)

    sys.path_hooks.insert(0, finder)
    for folder in packages:  # this module was loaded by the previous finder
        sys.path_importer_cache.pop(str(folder), None)


class _ByteCodeLoader(SourceFileLoader):
    """Loads a module with its byte code below `folder`."""

    folder: str

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the module's code, compiled only if it has changed since it was stored."""
        with _one_at_a_time:
            before = sys.pycache_prefix, sys.dont_write_bytecode
            sys.pycache_prefix, sys.dont_write_bytecode = self.folder, False
            try:
                return super().get_code(fullname)
            except _BROKEN:
                with suppress(OSError):
                    Path(cache_from_source(self.path)).unlink()
                return self.source_to_code(self.get_data(self.path), self.path)
            finally:
                sys.pycache_prefix, sys.dont_write_bytecode = before


_here = Path(__file__).parent
_redirect_byte_code(_here, _here.parent / "roles")


def compile_project() -> None:
    """Compile the project's modules as the commands load them, so that the first one is quick too.

    Invoke reads the byte code of tasks.py beside it, but never writes it.
    """
    import compileall

    compileall.compile_file(_here.parent / "tasks.py", quiet=1)
    prefix = private_folder("pycache")
    if prefix is not None:
        sys.pycache_prefix = prefix
        for folder in (_here, _here.parent / "roles"):
            compileall.compile_dir(folder, quiet=1)


if __name__ == "__main__":  # `make venv`
    compile_project()
