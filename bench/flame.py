"""Draw where a converged provision spends its time, thread by thread, as a flame graph.

    pip install py-spy && .venv/bin/python bench/flame.py box1 docs/assets/converged-flame.svg

py-spy samples the whole process from outside, Python's own start included, 500 times a second, and
counts the threads that run. It slows the run down: the shares count, not the sum.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent


def main() -> int:
    """Read the command line, record the run, write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("host", help="a host that is in order")
    parser.add_argument("picture", type=Path, help="the SVG file to write")
    options = parser.parse_args()
    recorder = shutil.which("py-spy") or shutil.which("py-spy", path=str(PROGRAMS))
    if recorder is None:
        print("error: py-spy: not installed; run: pip install py-spy", file=sys.stderr)
        return 2
    command = [sys.executable, PROGRAMS / "invoke", "provision", "--host", options.host]
    record = [recorder, "record", "--rate", "500", "--threads"]
    subprocess.run([*record, "--output", options.picture, "--", *command], cwd=PROJECT, check=True)
    options.picture.write_text(shortened(options.picture.read_text()))
    return 0


def shortened(picture: str) -> str:
    """Return the picture with a title of its own, without the paths of this computer."""
    return re.sub(r"[^<>]*py-spy record [^<]*", "invoke provision of a host in order", picture)


if __name__ == "__main__":
    sys.exit(main())
