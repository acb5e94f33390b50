"""NVIDIA's forward compatibility package: where it is allowed, and the proof that it works."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from onecard.driver.forward import forward_compatibility
from onecard.facts import Container, Facts, GpuFacts
from onecard.resources.base import diff
from onecard.resources.system.nvidia import CudaDriver
from onecard.settings.settings import DriverSettings
from onecard.ssh.probe_batch import Answer
from onecard.templates.quoting import unit_word
from onecard.templates.render import render
from tests.support.facts_support import box, working
from tests.support.on_shell import shell
from tests.unit.box.test_launcher import Box as LaunchBox

POD = {"container": Container("docker")}
ANY = DriverSettings()


def facts(version: str, *names: str, machine: dict[str, Any] | None = None) -> Facts:
    cards = tuple(GpuFacts(index, name, f"GPU-{index}") for index, name in enumerate(names))
    changes = {"machine": machine} if machine else {}
    return box(driver=working(version, "foreign"), gpus=cards, **changes)


# Branches: NVIDIA_REQUIRE_CUDA of nvidia/cuda:13.0.1; cards: CUDA Compatibility, Forward Compatibility.
@pytest.mark.parametrize(
    ("found", "backend", "package"),
    [
        (facts("550.127.05", "NVIDIA A100-SXM4-80GB", machine=POD), "cu130", "cuda-compat-13-0"),
        (facts("570.153.02", "NVIDIA L4", "NVIDIA L4", machine=POD), "cu130", "cuda-compat-13-0"),
        (facts("580.95.05", "NVIDIA A100-SXM4-80GB", machine=POD), "cu130", ""),
        (facts("550.127.05", "NVIDIA A100-SXM4-80GB", machine=POD), "cu129", ""),
        (facts("525.147.05", "NVIDIA A100-SXM4-80GB", machine=POD), "cu130", ""),
        (facts("560.35.03", "NVIDIA A100-SXM4-80GB", machine=POD), "cu130", ""),
        (facts("570.153.02", "NVIDIA GeForce RTX 4090", machine=POD), "cu130", ""),
        (facts("570.153.02", "NVIDIA RTX A6000", machine=POD), "cu130", ""),
        (facts("550.127.05", machine=POD), "cu130", ""),
        # a machine of its own gets a newer driver
        (facts("550.127.05", "NVIDIA A100-SXM4-80GB"), "cu130", ""),
    ],
)
def test_where_there_is_one(found: Facts, backend: str, package: str) -> None:
    forward = forward_compatibility(found, ANY, backend)
    assert (forward.package if forward else "") == package


def test_a_driver_that_the_settings_leave_alone() -> None:
    found = facts("550.127.05", "NVIDIA A100-SXM4-80GB")
    forward = forward_compatibility(found, DriverSettings(source="none"), "cu130")
    assert forward is not None
    assert forward.folder == "/usr/local/cuda-13.0/compat"


def library(folder: Path, init: int) -> Path:
    """Compile a libcuda whose cuInit returns `init`."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here")
    source = folder / "cuda.c"
    source.write_text(
        f"int cuInit(unsigned flags) {{ return {init}; }}\n"
        "int cuDriverGetVersion(int *version) { *version = 13000; return 0; }\n"
    )
    target = folder / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", target, source], check=True)
    return target


@pytest.mark.parametrize(
    ("init", "state", "trouble"),
    [
        (0, "13.0", ""),
        (
            803,
            "cuInit failed with 803: the package does not work with this driver",
            "set vllm.version",
        ),
        (
            804,
            "cuInit failed with 804: the package does not work with this card",
            "set vllm.version",
        ),
        (999, "cuInit failed with 999", "take a box with a newer driver"),
    ],
)
def test_it_is_proved_without_pytorch(tmp_path: Path, init: int, state: str, trouble: str) -> None:
    library(tmp_path, init)
    resource = CudaDriver(str(tmp_path), "13.0")
    probed = shell(resource.probe())
    actual = resource.understand(Answer(probed.stdout, probed.returncode))
    assert actual == {"cuda": state}
    differences = diff(resource.desired(), actual)
    assert bool(differences) == bool(init)
    fixed = shell(f"set -e\n{resource.fix(differences, actual)}")
    assert (fixed.returncode == 0) == (init == 0)
    if init:
        assert trouble in resource.trouble(fixed.stdout.splitlines())


def test_a_servers_process_loads_the_packages_library(tmp_path: Path) -> None:
    """Through the server's environment file and the launcher of a pod."""
    package = tmp_path / "compat"
    package.mkdir()
    library(package, 0)
    variables = {"path": "/usr/bin:/bin", "cache": "/tmp/cache", "engine_timeout": 600}
    environment = render(
        "vllm.env.j2", {**variables, "environment": [("LD_LIBRARY_PATH", str(package))]}
    )
    (tmp_path / "vllm.env").write_text(environment)
    program = (
        "import ctypes; version = ctypes.c_int(); "
        "ctypes.CDLL('libcuda.so.1').cuDriverGetVersion(ctypes.byref(version)); print(version.value)"
    )
    command = " ".join(map(unit_word, (sys.executable, "-c", program)))
    box = LaunchBox(tmp_path)
    box.write(f"EnvironmentFile={tmp_path}/vllm.env\nExecStart={command}")
    code, lines = box.launch()
    assert (code, lines[1:]) == (0, ["13000"])


def test_a_folder_without_the_library_is_absent(tmp_path: Path) -> None:
    resource = CudaDriver(str(tmp_path), "13.0")
    probed = shell(resource.probe())
    assert resource.understand(Answer(probed.stdout, probed.returncode)) == {}


def test_a_library_that_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "libcuda.so.1").write_text("no library")
    resource = CudaDriver(str(tmp_path), "13.0")
    probed = shell(resource.probe())
    state = resource.understand(Answer(probed.stdout, probed.returncode))
    assert "libcuda.so.1" in str(state["cuda"])
