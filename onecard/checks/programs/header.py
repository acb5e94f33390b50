"""Check that a C file with Python.h compiles, links and loads, as Triton needs at its start."""

import ctypes
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile


def trouble():
    """Return what is wrong in one line, empty if nothing is."""
    include = sysconfig.get_path("include")
    print(f"include={include}")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return "no C compiler (cc) on the server's PATH"
    print(f"compiler={compiler}")
    with tempfile.TemporaryDirectory() as folder:
        source, library = pathlib.Path(folder, "main.c"), pathlib.Path(folder, "main.so")
        source.write_text("#include <Python.h>\nlong size(void) { return sizeof(PyObject); }\n")
        command = [compiler, "-shared", "-fPIC", f"-I{include}", "-o", library, source]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if "rror" in line]
            return f"Python.h does not compile: {(lines or ['no reason given'])[0].strip()}"
        size = ctypes.CDLL(str(library)).size()
    return "" if size == object.__basicsize__ else f"Python.h is of another Python: {size}"


message = " ".join(trouble().split())
print(f"trouble={message}" if message else "passed=yes")
sys.exit(bool(message))
