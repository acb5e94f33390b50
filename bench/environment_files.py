"""Time the verification of an environment's files, by their number.

    .venv/bin/python bench/environment_files.py --files 60000

Creates a virtual environment with that many files of 250 packages, and verifies it as `provision`
does, several times; with --cold once before that with the kernel's caches empty, which needs root
and slows down everything on this computer for a moment. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from onecard.checks import files_check

PACKAGES = 250
IN_A_FOLDER = 40


def make(venv: Path, files: int) -> None:
    """Create an environment whose packages have folders as deep as real ones."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = venv.glob("lib/python3*/site-packages")
    for number in range(PACKAGES):
        name = f"package{number}"
        rows = []
        for index in range(files // PACKAGES):
            path = f"{name}/inner/part{index // IN_A_FOLDER}/module{index}.py"
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text("x")
            rows.append(f"{path},sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,1")
        folder = site / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "RECORD").write_text("\n".join([*rows, f"{folder.name}/RECORD,,"]) + "\n")


def seconds(script: str) -> float:
    """Run the verification and return its seconds."""
    started = time.monotonic()
    done = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True)
    assert "passed=yes" in done.stdout
    return round(time.monotonic() - started, 2)


def empty_caches() -> None:
    """Empty the kernel's caches of file names and inodes."""
    subprocess.run(["sync"], check=True)
    Path("/proc/sys/vm/drop_caches").write_text("3")


def main() -> None:
    """Measure and print."""
    flags = argparse.ArgumentParser()
    flags.add_argument("--files", type=int, default=60_000)
    flags.add_argument("--repeats", type=int, default=5)
    flags.add_argument("--cold", action="store_true")
    given = flags.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        venv = Path(folder) / "venv"
        make(venv, given.files)
        script = files_check().script(str(venv))
        cold = None
        if given.cold:
            empty_caches()
            cold = seconds(script)
        warm = sorted(seconds(script) for _ in range(given.repeats))
    print(json.dumps({"files": given.files, "cold_s": cold, "warm_s": warm}))


if __name__ == "__main__":
    main()
