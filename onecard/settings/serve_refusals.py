"""What the two open settings of `serve` may not hold: extra_args and environment.

Both are written to files that any account of the box can read, and to records, so they must not
hold secrets. An option that has a setting of its own must be set there: the plan and the checks
read only that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from onecard.credentials.secret import SECRET_FLAGS, SECRET_NAMES

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOGIN: Final = re.compile(r"//[^/\s]*@")
# The only folders that the server may write to, and where it finds its programs.
_PATHS: Final = (
    "PATH",
    "HOME",
    "HF_HOME",
    "XDG_CACHE_HOME",
    "PYTHONPYCACHEPREFIX",
    "VLLM_CACHE_ROOT",
    "TORCHINDUCTOR_CACHE_DIR",
    "TRITON_CACHE_DIR",
    "FLASHINFER_WORKSPACE_BASE",
)


def refused_argument(word: str, owners: Mapping[str, str]) -> str:
    """Return why `word` may not be in serve.extra_args, without its value; empty if allowed.

    owners: flag of `vllm serve` -> the setting that it belongs to (serve_settings.vllm_flags).
    vLLM takes `--a_b`, `--a-b.key`, `--no-a-b` and any beginning of a flag that is not another's.
    """
    flag = word.partition("=")[0]
    if flag.startswith("--"):
        flag = "--" + flag[2:].replace("_", "-").partition(".")[0].removeprefix("no-")
    if len(flag.lstrip("-")) == 0 or not flag.startswith("-"):
        return ""
    for known in SECRET_FLAGS:
        if _means(flag, known):
            return (
                f"{known}: a secret here could be read by everybody on the box; take it out, "
                f"then: invoke secret set --name {known[2:]}"
            )
    for known, setting in owners.items():
        if _means(flag, known):
            return f"{known} has a setting of its own: {setting}"
    return ""


def _means(flag: str, known: str) -> bool:
    return flag == known or (flag.startswith("--") and known.startswith(flag))


def refused_variable(name: str, value: str) -> str:
    """Return why serve.environment may not hold a variable, or an empty text; never its value."""
    if not _NAME.fullmatch(name):
        return f"{json.dumps(name[:60])} is not the name of an environment variable"
    if SECRET_NAMES.search(name.upper()):
        return f"{name} looks like a secret, which no setting holds; see invoke --help secret"
    if _LOGIN.search(value):
        return f"{name} holds an address with a name or password; take it out"
    if name in _PATHS:
        return f"{name} is one of onecard's own paths, which the server needs as they are"
    if name.startswith("ONECARD_"):
        return f"{name}: names that begin with ONECARD_ are onecard's own"
    if name == "VLLM_ENGINE_READY_TIMEOUT_S":
        return f"{name} has a setting of its own: serve.ready_timeout"
    if not value.isprintable():
        return f"{name} is not one line of plain text"
    return ""
