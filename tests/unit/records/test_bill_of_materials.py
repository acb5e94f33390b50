"""What is installed, as CycloneDX; the script runs in a real shell."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from onecard.inventory.host import Host
from onecard.project import PROJECT
from onecard.records.bill_of_materials import bill_of_materials, script
from onecard.settings.connection_keys import ConnectionKeys
from onecard.settings.settings import Settings

COMMIT = "8959cf64189c00000000000000000000000000aa"
OUTPUT = """\
os=debian
installed=libstdc++6 12.2.0-14+deb12u1 amd64
installed=vim-common 2:9.0.1378-2 all
config-files=gone 1.0 amd64
python=vllm-0.32.0+cpu
python=typing_extensions-4.16.0
model=yes
"""


def host(source: str) -> Host:
    settings = Settings.model_validate({"model": {"source": source, "revision": COMMIT}})
    return Host("box", ConnectionKeys().connection("box", PROJECT), settings)


def test_packages_and_model_have_their_purl() -> None:
    found = bill_of_materials(host("Qwen/Qwen3.5-27B"), OUTPUT)
    assert (found["bomFormat"], found["specVersion"], found["version"]) == ("CycloneDX", "1.5", 1)
    assert [(each["name"], each["version"], each["purl"]) for each in found["components"]] == [
        ("libstdc++6", "12.2.0-14+deb12u1", "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64"),
        ("vim-common", "2:9.0.1378-2", "pkg:deb/debian/vim-common@2:9.0.1378-2?arch=all"),
        ("vllm", "0.32.0+cpu", "pkg:pypi/vllm@0.32.0%2Bcpu"),
        ("typing-extensions", "4.16.0", "pkg:pypi/typing-extensions@4.16.0"),
        ("Qwen/Qwen3.5-27B", COMMIT, f"pkg:huggingface/Qwen/Qwen3.5-27B@{COMMIT}"),
    ]  # fmt: skip


def test_a_model_from_a_folder_has_none() -> None:
    *_, model = bill_of_materials(host("./onecard/tiny_model/tiny-vqa"), OUTPUT)["components"]
    assert model["type"] == "machine-learning-model"
    assert "purl" not in model


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="no dpkg here")
def test_the_script_finds_what_is_installed() -> None:
    done = subprocess.run(["sh"], input=script(host("a/b")), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    names = [each["name"] for each in bill_of_materials(host("a/b"), done.stdout)["components"]]
    assert {"bash", "dpkg"} <= set(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name) for name in names)
