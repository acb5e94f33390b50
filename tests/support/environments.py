"""Virtual environments of this computer's Python, with packages made for a test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def make_environment(venv: Path, packages: Mapping[str, Mapping[str, int]]) -> Path:
    """Make an environment with these packages and return its site-packages.

    packages: `NAME-VERSION` -> file -> size; a file lies where an installer puts it, which may be
    outside of site-packages. RECORD is as uv writes it.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = venv.glob("lib/python3*/site-packages")
    for name, files in packages.items():
        folder = site / f"{name}.dist-info"
        folder.mkdir()
        rows = []
        for path, size in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_text("x" * size)
            quoted = f'"{path}"' if "," in path else path
            rows.append(f"{quoted},sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,{size}")
        record = f"{folder.name}/RECORD"
        (site / record).write_text("\n".join([*rows, f"{record},,"]) + "\n")
    return site
