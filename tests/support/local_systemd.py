"""A box whose shell is real and whose systemd reports one crashed or running server."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from onecard.box.paths import UNIT

_SYSTEMCTL = """#!/bin/sh
case "$*" in
  *LoadState*) printf 'LoadState=@loaded@\\nActiveState=@active@\\nInvocationID=0123456789abcdef\\n'
    printf 'NRestarts=%s\\nStateChangeTimestampMonotonic=%s\\n' @restarts@ @changed@ ;;
esac
"""
_JOURNALCTL = """#!/bin/sh
case "$*" in *INVOCATION_ID=0123456789abcdef* | *"-u vllm.service"*) ;; *) exit ;; esac
echo "@journal@"
"""
TOO_LONG = (
    "ValueError: User-specified max_model_len (300000) is greater than the derived max_model_len"
)


def install_systemd(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    active: str,
    *,
    port: int,
    restarts: int = 0,
    loaded: bool = True,
    journal: str = TOO_LONG,
) -> None:
    """Put systemctl and journalctl in `folder` first on PATH, and the server's unit in it."""
    values = {
        "active": active,
        "loaded": "loaded" if loaded else "not-found",
        "restarts": str(restarts),
        "changed": str(int(time.monotonic() - 60) * 10**6),
        "journal": journal,
    }
    for name, text in (("systemctl", _SYSTEMCTL), ("journalctl", _JOURNALCTL)):
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)  # noqa: PLW2901
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    unit = folder / "units" / UNIT
    unit.parent.mkdir(exist_ok=True)
    unit.write_text(
        f"[Service]\nExecStart=/x serve m --served-model-name m --host 127.0.0.1 --port {port}\n"
    )
