"""Which build of torch and vLLM a box can run: driver, card and Python against the channel.

Sources: NVIDIA "CUDA Compatibility" (minor version compatibility: CUDA 13.x needs driver >= 580,
12.x >= 525); vLLM's installation page (nightly variants cu129, cu130, cpu); vLLM's "Nightly Builds"
(contributing/ci/nightly_builds: every commit's wheels are in /COMMIT/VARIANT, as nightly's are; the
one without a variant in its name, for the default CUDA at the time, in /COMMIT and, under an
alias, in its variant's folder; not every commit has every variant); the metadata of vLLM 0.33.0
(Python >= 3.11, < 3.15; links libcudart.so.13) and of 0.17.0 to 0.19.1 (Python < 3.14). vLLM
0.17.0, on CUDA 12, is the first with Qwen3.5. A release's wheels for CUDA 12 are in /VERSION/cu129.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from onecard.facts.versions import version_key

Channel = Literal["nightly", "release", "commit"]

WHEELS = "https://wheels.vllm.ai"
_CUDA_13_DRIVER = 580
_CUDA_12_DRIVER = 525
_OLDEST_VLLM = (0, 17)
# 0.17 is known to be CUDA 12, 0.20.2 and later CUDA 13; releases between are assumed CUDA 13.
_CUDA_13_VLLM = (0, 18)
_OLDEST_CARD = (7, 5)
_OLDEST_PYTHON, _PYTHON_LIMIT, _DEFAULT_PYTHON = (3, 11), (3, 15), "3.12"
_PYTHON_3_14_VLLM, _EARLIER_PYTHON_LIMIT = (0, 20), (3, 14)


@dataclass(frozen=True)
class BuildMatch:
    """What to install. torch_backend: uv's `--torch-backend`.

    index: vLLM's own index, searched before all others; empty for the Python index. python: the
    version for the virtual environment, as `3.12`. uv_python: the box's own does not fit, uv
    installs one. fixed: it is for a driver that cannot be replaced.
    """

    torch_backend: str
    index: str
    python: str
    uv_python: bool = False
    fixed: bool = False


@dataclass(frozen=True)
class NoMatch:
    """Why nothing fits, in one line, with the fix."""

    reason: str


def match(  # noqa: PLR0917 - one parameter a column of the table
    driver_version: str,
    capability: str,
    python_version: str,
    channel: Channel = "nightly",
    version: str = "",
    wheels: str = WHEELS,
    *,
    fixed: bool = False,
    forward: bool = False,
) -> BuildMatch | NoMatch:
    """Return the builds that fit, or why none does.

    driver_version: `580.159.04`; empty for a box without a card (CPU builds).
    capability: `9.0`, empty when not known. python_version: of the box's own python3.
    version: a vLLM version for `release` (empty: the newest), a commit's hash for `commit`.
    wheels: vLLM's own index of builds, or a mirror of it.
    fixed: the driver cannot be replaced. forward: NVIDIA's package runs CUDA 13 on it.
    """
    release = version_key(version) if channel == "release" else ()
    python, uv_python = _python(python_version, release)
    if not driver_version:
        return BuildMatch("cpu", _index(channel, version, "cpu", wheels), python, uv_python)
    refused = refused_card(capability)
    if refused:
        return NoMatch(refused)
    if release and release < _OLDEST_VLLM:
        return NoMatch(f"vllm {version} does not know Qwen3.5; pin vllm.version 0.17.0 or later")
    branch = next(iter(version_key(driver_version)), 0)
    if branch < _CUDA_12_DRIVER:
        return _too_old(driver_version, _CUDA_12_DRIVER, "CUDA 12", fixed=fixed)
    if release and release < _CUDA_13_VLLM:
        backend = "cu128"
    elif branch >= _CUDA_13_DRIVER:
        backend = "cu130"
    elif channel != "release" or (fixed and version):
        # A commit's wheels are built for both; a release on the Python index is CUDA 13 alone.
        backend = "cu129"
    elif forward:
        backend = "cu130"
    else:
        return _too_old(driver_version, _CUDA_13_DRIVER, "a CUDA 13 wheel", fixed=fixed)
    return BuildMatch(backend, _index(channel, version, backend, wheels), python, uv_python, fixed)


def refused_card(capability: str) -> str:
    """Return why vLLM has no build for a card's compute capability; empty where it has one."""
    card = version_key(capability)
    if card and card < _OLDEST_CARD:
        return f"capability {capability} is too old for vLLM; rent a card with >= 7.5"
    return ""


def needed_driver(backend: str) -> int:
    """Return the oldest driver branch that supports a torch backend such as `cu130`."""
    return _CUDA_13_DRIVER if backend >= "cu130" else _CUDA_12_DRIVER


def pythons(channel: Channel, version: str) -> str:
    """Return the Pythons that a channel's build runs on, as `3.11 to 3.14`."""
    _, last = _python_limit(version_key(version) if channel == "release" else ())
    return f"{_OLDEST_PYTHON[0]}.{_OLDEST_PYTHON[1]} to 3.{last - 1}"


def _python_limit(release: tuple[int, ...]) -> tuple[int, int]:
    return _EARLIER_PYTHON_LIMIT if release and release < _PYTHON_3_14_VLLM else _PYTHON_LIMIT


def _python(version: str, release: tuple[int, ...]) -> tuple[str, bool]:
    own = version_key(version)[:2]
    if own and _OLDEST_PYTHON <= own < _python_limit(release):
        return f"{own[0]}.{own[1]}", False
    return _DEFAULT_PYTHON, True


def _index(channel: Channel, version: str, backend: str, wheels: str) -> str:
    # PyTorch's own index is not among them: uv's --torch-backend queries it for PyTorch's packages
    # only, where a further index would be queried for every package.
    of_release = version if backend == "cu129" else ""
    build = {"nightly": "nightly", "commit": version, "release": of_release}[channel]
    return f"{wheels}/{build}/{backend}" if build else ""


def _too_old(driver_version: str, needed: int, what: str, *, fixed: bool) -> NoMatch:
    branch = next(iter(version_key(driver_version)), 0)
    if fixed:
        # RunPod and Vast filter their offers by the CUDA version of the host's driver.
        cuda = "set vllm.version, whose build for CUDA 12.9 is taken, or vllm.channel nightly; or "
        return NoMatch(
            f"driver {driver_version} is too old for {what}: needs driver >= {needed}, and this "
            f"one cannot be replaced here; {cuda if needed == _CUDA_13_DRIVER else ''}"
            f"take a box with driver >= {needed} (CUDA {13 if needed == _CUDA_13_DRIVER else 12})"
        )
    pin = " or pin vllm 0.17.0" if needed == _CUDA_13_DRIVER else ""
    return NoMatch(
        f"driver {branch} is too old for {what}: needs driver >= {needed}; "
        f"run provision with driver.branch 580{pin}"
    )
