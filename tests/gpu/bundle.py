"""Gather, on a computer with a network, what a GPU machine without one lacks to become a pod.

    python tests/gpu/bundle.py FOLDER

writes into FOLDER:
    wheelhouse/    vLLM without what a Hopper card does not use, and the wheels of carried.txt
    controller/    what onecard itself needs, for Python 3.12
    debs/          OpenSSH's server and client, and their libraries
The machine's own PyTorch, CUDA and the rest of present.txt are made into wheels over there.
"""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
VLLM = "0.25.1"
PYTHON = "3.12"
# Every glibc up to that of Ubuntu 24.04: pip matches each platform by its exact name.
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(39, 4, -1)]
PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]

CONTROLLER = (
    "fabric", "paramiko", "invoke", "decorator", "deprecated", "wrapt", "bcrypt", "cryptography",
    "cffi", "pycparser", "pynacl", "jinja2", "markupsafe", "keyring", "jaraco.classes",
    "jaraco.functools", "jaraco.context", "backports.tarfile", "more-itertools", "jeepney",
    "secretstorage", "importlib-metadata", "zipp", "pydantic", "pydantic-core", "annotated-types",
    "typing-inspection", "typing-extensions", "pyyaml", "requests", "urllib3", "idna", "certifi",
    "charset-normalizer", "rich", "markdown-it-py", "mdurl", "pygments", "packaging", "pytest",
    "pytest-timeout", "pluggy", "iniconfig",
)  # fmt: skip
SSHD = (
    "openssh-server", "openssh-client", "openssh-sftp-server", "libwrap0", "libpam0g", "libaudit1",
    "libcap-ng0", "libselinux1", "libkrb5-3", "libgssapi-krb5-2", "libkrb5support0",
    "libk5crypto3", "libkeyutils1", "libcom-err2", "libsystemd0", "libcrypt1", "libedit2", "libbsd0",
    "libmd0", "libfido2-1", "libcbor0.8", "libnsl2", "libtirpc3",
)  # fmt: skip

# Parts of vLLM's wheel for other cards and other Pythons, and the packages that only they import.
UNUSED = re.compile(
    r"vllm-rs|/fmha_sm100/(?!.*/include/)|deep_gemm/_C\.cpython-3(10|11|13|14)|deep_gemm/include"
)
UNUSED_PACKAGES = re.compile(
    r"Requires-Dist: (torchcodec|PyNvVideoCodec|flashinfer-python|flashinfer-cubin|tilelang|"
    r"nvidia-cudnn-frontend|nvidia-cutlass-dsl|tokenspeed-mla|humming-kernels|quack-kernels)\b",
    re.IGNORECASE,
)
# Pins that the versions of present.txt and carried.txt do not meet, and vLLM runs without.
PINNED = re.compile(r"^(Requires-Dist: (?:numba|apache-tvm-ffi))==[0-9.]+")
SETUPTOOLS = ("setuptools<81.0.0,>=77.0.3", "setuptools>=77.0.3")


def main(folder: Path) -> None:
    """Fill the folder; what is there already is not downloaded again."""
    pins = pinned(PROJECT / "constraints.txt")
    wheels(folder / "wheelhouse", *(HERE / "carried.txt").read_text().split())
    wheels(folder / "controller", *(pins.get(name, name) for name in CONTROLLER))
    debs = folder / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", *SSHD], cwd=debs, check=True, stdout=subprocess.DEVNULL)
    whole = folder / "whole"
    wheels(whole, f"vllm=={VLLM}")
    [source] = whole.glob(f"vllm-{VLLM}-*.whl")
    slim(source, folder / "wheelhouse" / source.name)


def pinned(constraints: Path) -> dict[str, str]:
    """Return package -> its line in constraints.txt."""
    lines = constraints.read_text().splitlines()
    pairs = (line.partition("==") for line in lines if "==" in line)
    return {
        re.sub(r"[-_.]+", "-", name).lower(): f"{name}=={version}" for name, _, version in pairs
    }


def wheels(folder: Path, *requirements: str) -> None:
    """Download wheels for the machine's Python and platform, these alone."""
    platforms = [f"--platform={each}" for each in PLATFORMS]
    python = ["--python-version", PYTHON, "--implementation", "cp"]
    options = ["--quiet", "--no-deps", "--only-binary=:all:", *python, *platforms]
    command = [sys.executable, "-m", "pip", "download", *options, "-d", str(folder)]
    subprocess.run([*command, *requirements], check=True)


def slim(source: Path, target: Path) -> None:
    """Write a wheel without its unused files and requirements, with a RECORD that is true."""
    record = []
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        names = [each for each in old.infolist() if not each.filename.endswith(("/", ".jpg"))]
        [own_record] = [each for each in names if each.filename.endswith(".dist-info/RECORD")]
        for entry in names:
            if entry is own_record or UNUSED.search(entry.filename):
                continue
            data = old.read(entry)
            if entry.filename.endswith(".dist-info/METADATA"):
                data = slim_metadata(data.decode()).encode()
            new.writestr(entry, data, compresslevel=9)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            # Names of kernels' configurations have commas.
            record.append(f'"{entry.filename}",sha256={digest},{len(data)}')
        new.writestr(own_record, "\n".join([*record, f"{own_record.filename},,", ""]))


def slim_metadata(text: str) -> str:
    """Return METADATA without the requirements that are not carried."""
    lines = (line for line in text.splitlines() if not UNUSED_PACKAGES.match(line))
    return "\n".join(PINNED.sub(r"\1", line).replace(*SETUPTOOLS) for line in lines) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
