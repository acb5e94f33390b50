"""Measures a sandbox box and makes docs/report-sandbox.html, its Markdown and pictures: `make report`.

About ten minutes on two free cores. Nothing of it is edited by hand afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.support.chromium import Chromium

PROJECT: Final = Path(__file__).resolve().parents[2]
INVOKE: Final = Path(sys.executable).parent / "invoke"
DOCS: Final = PROJECT / "docs"
BOX: Final = "box1"
# A small KV cache, so that a few full requests fill it; an invented price.
SETTINGS: Final = "-e serve.kv_cache_gib=0.02 -e price_per_hour=0.10"
MEASURED: Final = (
    "provision",
    f"deploy --ctx 8192 {SETTINGS}",
    f"smoke {SETTINGS}",
    f"scale --ctx 4096,8192,65536 {SETTINGS}",
    f"stress --lengths 256,1024,2048 --prefixes prose --asked 12 {SETTINGS}",
    f"certify --ctx 4096 --requests 4 {SETTINGS}",
    f"bench --concurrency 1,4 --images 1 --rates 2 --requests 8 --repeats 2 --most-repeats 2 {SETTINGS}",
    f"soak --for 1m --rate 1 {SETTINGS}",
    f"cache --tokens 2000 --at-once 2 --repeats 2 {SETTINGS}",
)
# width, height in CSS pixels
PICTURES: Final = {"desktop": (1100, 700), "phone": (390, 844)}


def main() -> int:
    """Measure, write the files, and remove the box."""
    with tempfile.TemporaryDirectory() as runs:
        os.environ.update(ONECARD_RUNS=runs, ONECARD_HOST="")
        try:
            invoke(f"sandbox.up --name {BOX}")
            for command in MEASURED:
                invoke(f"{command} --host {BOX}", must_pass=not command.startswith("scale"))
            write()
        finally:
            invoke(f"sandbox.down --name {BOX}")
    return 0


def invoke(words: str, *, must_pass: bool = True) -> None:
    """Run a command of the tool. scale fails where it refuses a context, as it does here."""
    print(f"\n$ invoke {words}", flush=True)
    code = subprocess.run([INVOKE, *words.split()], cwd=PROJECT, check=False).returncode
    if code and must_pass:
        raise SystemExit(f"invoke {words}: exit code {code}")


def write() -> None:
    """Write the report from the records, as a page, as Markdown, and as pictures."""
    page = DOCS / "report-sandbox.html"
    for path in (page, DOCS / "report-as-markdown.md"):
        invoke(f"report --host {BOX} --out {path}")
    with Chromium() as browser:
        for name, (width, height) in PICTURES.items():
            browser.visit(page, width=width, height=height, dark=name == "phone")
            browser.picture(DOCS / f"report-sandbox-{name}.png", whole=False)


if __name__ == "__main__":
    sys.exit(main())
