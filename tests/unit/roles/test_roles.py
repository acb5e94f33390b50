"""What the shipped inventory makes of a host: data in, resources out."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

import roles
from onecard import served_model
from onecard.box import paths as box_paths
from onecard.credentials.secret import Secret
from onecard.engine.probing import probes_of
from onecard.errors import UsageError
from onecard.facts import Facts, Python
from onecard.fit.on_host import settle
from onecard.inventory.host import Host
from onecard.inventory.load import load
from onecard.inventory.lock import Lock
from onecard.inventory.override import override
from onecard.project import PROJECT
from onecard.resources.apt.packages import AptPackages
from onecard.resources.base import Resource
from onecard.resources.files.file import Directory, File, Link
from onecard.resources.files.hub import HubAccess, HubModel
from onecard.resources.files.text_files import TextFiles
from onecard.resources.files.tree import Tree
from onecard.resources.python.environment import Environment, Unresolved, UvPython
from onecard.resources.python.packages import PythonPackages, Venv
from onecard.resources.python.wheels import Wheels
from onecard.resources.system.release import Release, Served
from onecard.resources.system.service import CONFIGURATION
from onecard.resources.system.user import User
from onecard.settings.serve_refusals import refused_argument, refused_variable
from onecard.settings.serve_settings import vllm_flags
from onecard.settings.settings import PROVISION_ROLES
from roles import base, serve, services
from tests.support.facts_support import CARD, box, working

LOCK = Lock.model_validate(
    {
        "asked": {"accelerator": "nvidia", "channel": "nightly"},
        "vllm": "0.34.0.dev5+gabc.cu130",
        "commit": "8959cf64189c00000000000000000000000000aa",
        "torch": "2.14.0+cu130",
        "torchvision": "0.29.0+cu130",
        "cuda": "cu130",
        "python": "3.12",
        "index": "https://wheels.vllm.ai/8959cf64189c00000000000000000000000000aa/cu130",
        "packages": {
            "vllm": "0.34.0.dev5+gabc.cu130",
            "torch": "2.14.0+cu130",
            "torchvision": "0.29.0+cu130",
        },
    }
)
HOSTS = "all: {children: {gpu: {hosts: {a100-1: }}, sandbox: {hosts: {box1: }}}}\n"
FACTS = box(driver=working("580.95.05"), gpus=(CARD,))
Kind = TypeVar("Kind", bound=Resource)


@pytest.fixture
def hosts(tmp_path: Path) -> Mapping[str, Host]:
    """The shipped group settings, with one host in each group, both with a lock."""
    shutil.copytree(PROJECT / "inventory" / "group_vars", tmp_path / "group_vars")
    (tmp_path / "hosts.yml").write_text(HOSTS)
    return {name: replace(host, lock=LOCK) for name, host in load(tmp_path).hosts.items()}


def changed(host: Host, **values: object) -> Host:
    """Return the host with settings such as serve__ctx changed."""
    paths = {name.replace("__", "."): value for name, value in values.items()}
    return override(host, paths, dict.fromkeys(paths, "--flag"))


def wanted(host: Host) -> dict[str, tuple[Resource, ...]]:
    return {role.name: role.resources for role in roles.provision(host, FACTS)}


def only(kind: type[Kind], resources: tuple[Resource, ...]) -> Kind:
    (found,) = [resource for resource in resources if isinstance(resource, kind)]
    return found


def deployed_file(host: Host, path: str, facts: Facts = FACTS) -> str:
    for resource in serve.desired(settle(host, facts).host, facts):
        if isinstance(resource, File) and resource.path == path:
            return resource.content
    raise AssertionError(f"no {path}")


def unit(host: Host, facts: Facts = FACTS) -> str:
    return deployed_file(host, box_paths.UNIT, facts)


def environment(host: Host) -> list[str]:
    return deployed_file(host, box_paths.ENVIRONMENT).splitlines()


@pytest.mark.parametrize("name", ["a100-1", "box1"])
def test_every_host_has_a_whole_plan(hosts: Mapping[str, Host], name: str) -> None:
    plans = roles.provision(hosts[name], FACTS)
    assert [plan.name for plan in plans] == list(PROVISION_ROLES)
    everything = [each for plan in plans for each in plan.resources]
    deployed = [
        each
        for plan in roles.deploy(settle(hosts[name], FACTS).host, FACTS)
        for each in plan.resources
    ]
    for resources in (everything, deployed):
        probed = [each for probe in probes_of(resources) for each in probe.resources]
        assert len(probed) == len(resources)  # no two want the same thing
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
    assert only(Venv, found["python"]).path == f"{box_paths.TOOLS}/venv"
    assert only(PythonPackages, found["python"]).packages == ("uv",)
    environment = only(Environment, found["vllm"])
    assert environment.path == f"{box_paths.VENVS}/{LOCK.key}"
    assert environment.packages == LOCK.packages
    assert environment.places == (("--index", LOCK.index, "--torch-backend", "cu130"),)
    assert environment.patches == ()
    assert {check.name for check in environment.checks} == {"header", "tools", "torch", "versions"}
    assert [
        role for role, resources in found.items() for each in resources if isinstance(each, Link)
    ] == ["model"]
    assert only(Link, found["model"]).target == environment.path
    assert isinstance(found["model"][-1], Link)  # it moves when all else has gone well
    assert only(HubModel, found["model"]).repository == "Qwen/Qwen3.5-27B"
    assert only(HubModel, found["model"]).path == f"{box_paths.MODELS}/Qwen--Qwen3.5-27B"


def test_the_hub_is_queried_before_anything_is_changed(hosts: Mapping[str, Host]) -> None:
    host = hosts["a100-1"]
    first, second, *_ = wanted(host)["base"]
    assert isinstance(first, HubAccess)
    assert first.model == only(HubModel, wanted(host)["model"])
    assert isinstance(second, AptPackages)
    # The question is a Python program.
    bare = roles.provision(host, replace(FACTS, python=Python()))[0].resources
    assert [type(each) for each in bare[:2]] == [AptPackages, HubAccess]
    assert not any(isinstance(each, HubAccess) for each in wanted(hosts["box1"])["base"])


def test_a_cpu_host(hosts: Mapping[str, Host]) -> None:
    found = wanted(hosts["box1"])
    assert "libnuma1" in only(AptPackages, found["base"]).packages
    environment = only(Environment, found["vllm"])
    assert [patch.name for patch in environment.patches] == [
        "name of vllm",
        "torchvision",
        "start method",
        "garbage collection",
    ]
    assert {check.arguments for check in environment.checks} == {(), ("cpu",)}
    assert only(Tree, found["model"]).source == PROJECT / "onecard" / "tiny_model" / "tiny-vqa"
    folder = only(Tree, found["model"]).path
    assert re.fullmatch(rf"{box_paths.MODELS}/tiny-vqa-[0-9a-f]{{12}}", folder)


def test_a_cpu_build_takes_its_start_method_from_the_environment(
    hosts: Mapping[str, Host], tmp_path: Path
) -> None:
    """As it was in vLLM 0.32.0; in a build without the line there is nothing to change."""
    patches = only(Environment, wanted(hosts["box1"])["vllm"]).patches
    (patch,) = (each for each in patches if each.name == "start method")
    (tmp_path / "vllm/platforms").mkdir(parents=True)
    platform = tmp_path / patch.file

    def run(script: str) -> int:
        return subprocess.run(["sh", "-c", script], env={"site": str(tmp_path)}).returncode

    platform.write_text('        os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"\n')
    assert run(patch.test) == 1
    assert run(patch.apply) == 0
    assert run(patch.test) == 0
    changed = 'os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")'
    assert platform.read_text() == f"        {changed}\n"
    platform.write_text("another vLLM\n")
    assert run(patch.test) == 0


def test_the_server_owns_only_its_state(hosts: Mapping[str, Host]) -> None:
    folders = {
        resource.path: (resource.owner, resource.mode)
        for resource in wanted(changed(hosts["a100-1"], service_user="llm"))["base"]
        if isinstance(resource, Directory)
    }
    assert folders[box_paths.HOME] == folders[box_paths.ETC] == ("root", 0o755)
    assert folders[box_paths.STATE] == folders[box_paths.CACHE] == ("llm", 0o700)


def test_further_packages(hosts: Mapping[str, Host]) -> None:
    base = wanted(changed(hosts["a100-1"], packages=["htop", "git"]))["base"]
    packages = only(AptPackages, base).packages
    assert "htop" in packages
    assert packages.count("git") == 1


def test_without_a_lock_there_is_something_to_show(hosts: Mapping[str, Host]) -> None:
    found = wanted(replace(hosts["a100-1"], lock=None))
    assert only(Unresolved, found["vllm"]).name == "environment for vLLM nightly for nvidia"


def test_a_python_that_uv_brings(hosts: Mapping[str, Host]) -> None:
    lock = LOCK.model_copy(update={"python_from": "uv"})
    first, *_ = wanted(replace(hosts["a100-1"], lock=lock))["vllm"]
    assert first == UvPython("3.12")
    assert lock.key != LOCK.key


def test_indexes_and_their_login(hosts: Mapping[str, Host]) -> None:
    host = changed(hosts["a100-1"], indexes__url="https://mirror.example/simple")
    files = {each.path: each for each in wanted(host)["python"] if isinstance(each, File)}
    assert (
        '"url": "https://mirror.example/simple"' in files[f"{box_paths.TOOLS}/indexes.json"].content
    )
    assert box_paths.INDEX_CREDENTIALS not in files
    host = replace(host, index_login=Secret("me:very-secret"))
    files = {each.path: each for each in wanted(host)["python"] if isinstance(each, File)}
    login = files[box_paths.INDEX_CREDENTIALS]
    assert login.content == "machine mirror.example login me password very-secret\n"
    assert (login.mode, login.sensitive) == (0o600, True)
    others = [each.content for path, each in files.items() if path != box_paths.INDEX_CREDENTIALS]
    assert "very-secret" not in "".join(others) + repr(host)


def test_a_wheelhouse_without_wheels_is_refused(hosts: Mapping[str, Host], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"wheelhouse: .* invoke wheelhouse --out"):
        wanted(changed(hosts["a100-1"], wheelhouse=str(tmp_path / "none")))


def test_a_wheelhouse_takes_the_place_of_every_index(
    hosts: Mapping[str, Host], tmp_path: Path
) -> None:
    (tmp_path / "uv-1-py3-none-any.whl").write_text("x")
    found = wanted(changed(hosts["a100-1"], wheelhouse=str(tmp_path)))
    assert only(Wheels, found["python"]).desired() == {"uv-1-py3-none-any.whl": 1}
    assert "--no-index" in only(PythonPackages, found["python"]).options
    assert only(Environment, found["vllm"]).places == ((),)


def test_a_wheelhouse_that_lacks_a_package_is_named(
    hosts: Mapping[str, Host], tmp_path: Path
) -> None:
    """By what uv 0.13.9 and pip 25 print without an index."""
    (tmp_path / "uv-1-py3-none-any.whl").write_text("x")
    host = changed(hosts["a100-1"], wheelhouse=str(tmp_path))
    fill = f"fill it: invoke wheelhouse --out {tmp_path} --host a100-1"
    of_uv = (
        "error: No solution found when resolving dependencies",
        "  cause: Because numpy was not found in the provided package locations and you require "
        "numpy==2.0, we can conclude that your requirements are unsatisfiable.",
    )
    environment = only(Environment, wanted(host)["vllm"])
    lacking = f"the wheelhouse {tmp_path} has no wheel of numpy; {fill}"
    assert environment.trouble(of_uv) == lacking
    of_pip = (
        "ERROR: Could not find a version that satisfies the requirement uv (from versions: none)",
        "ERROR: No matching distribution found for uv",
    )
    tools = only(PythonPackages, wanted(host)["python"])
    assert tools.trouble(of_pip) == f"the wheelhouse {tmp_path} has no wheel of uv; {fill}"
    assert environment.trouble(["error: disk full"]) == tools.trouble(["x"]) == ""
    with_indexes = wanted(hosts["a100-1"])
    assert only(Environment, with_indexes["vllm"]).trouble(of_uv) == ""
    assert only(PythonPackages, with_indexes["python"]).trouble(of_pip) == ""


def test_the_command_of_the_27b_preset(hosts: Mapping[str, Host]) -> None:
    host = changed(hosts["a100-1"], serve__ctx=65536)
    assert serve.command(host) == (
        f"{box_paths.VENVS}/{LOCK.key}/bin/vllm",
        "serve",
        f"{box_paths.MODELS}/Qwen--Qwen3.5-27B",
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
        ({"serve__pipeline_parallel": 2}, "--pipeline-parallel-size 2"),
        ({"serve__kv_cache_dtype": "fp8"}, "--kv-cache-dtype fp8"),
        ({"serve__quantization": "fp8"}, "--quantization fp8"),
        ({"serve__limit_mm_per_prompt": {"image": 4}}, '--limit-mm-per-prompt {"image": 4}'),
        ({"serve__mm_processor_cache_gib": 0.0}, "--mm-processor-cache-gb 0"),
        ({"serve__mm_processor_cache_type": "shm"}, "--mm-processor-cache-type shm"),
        ({"serve__language_model_only": True}, "--language-model-only"),
        ({"serve__enable_prefix_caching": False}, "--no-enable-prefix-caching"),
        ({"serve__enable_prefix_caching": True}, "--enable-prefix-caching"),
        (
            {"serve__tool_call_parser": "hermes"},
            "--enable-auto-tool-choice --tool-call-parser hermes",
        ),
        ({"serve__tool_call_parser": "auto"}, "--tool-call-parser qwen3_coder"),
        ({"serve__speculative_config": "auto"}, '--speculative-config {"method":"mtp",'),
        ({"serve__speculative_config": {"method": "ngram"}}, '{"method": "ngram"}'),
        ({"serve__reasoning_parser": "deepseek_r1"}, "--reasoning-parser deepseek_r1"),
        (
            {"serve__chat_template_kwargs": {"enable_thinking": False}},
            '--default-chat-template-kwargs {"enable_thinking": false}',
        ),
    ],
)
def test_settings_in_the_command(
    hosts: Mapping[str, Host], change: dict[str, object], words: str
) -> None:
    plain = " ".join(serve.command(hosts["a100-1"]))
    assert words not in plain
    assert words in " ".join(serve.command(changed(hosts["a100-1"], **change)))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("Qwen/Qwen3.5-27B-FP8", "--reasoning-parser qwen3"),
        ("meta-llama/Llama-3.1-8B-Instruct", ""),
        ("nobody/nothing", ""),
    ],
)
def test_a_preset_goes_with_the_model(hosts: Mapping[str, Host], source: str, words: str) -> None:
    host = changed(hosts["a100-1"], model__source=source, serve__reasoning_parser="auto")
    command = " ".join(serve.command(host))
    assert words in command
    assert ("--reasoning-parser" in command) == bool(words)


def test_auto_without_a_preset_is_refused(hosts: Mapping[str, Host]) -> None:
    host = changed(hosts["a100-1"], model__source="nobody/nothing", serve__tool_call_parser="auto")
    with pytest.raises(UsageError, match=r"serve\.tool_call_parser: auto: no preset"):
        serve.command(host)


def test_the_command_of_a_cpu_host(hosts: Mapping[str, Host]) -> None:
    command = serve.command(hosts["box1"])
    assert command[2:5] == (served_model.folder(hosts["box1"]), "--served-model-name", "tiny-vqa")
    assert "--enforce-eager" in command


class TestUnit:
    def test_it_is_hardened_and_waits(self, hosts: Mapping[str, Host]) -> None:
        lines = unit(hosts["a100-1"]).splitlines()
        for line in (
            "User=onecard",
            f"EnvironmentFile={box_paths.API_KEY}",
            "Restart=always",
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
            hosts["a100-1"], serve__extra_args=["--compilation-config", '{"mode": "$x 5%"}']
        )
        (start,) = [line for line in unit(host).splitlines() if line.startswith("ExecStart=")]
        assert start.endswith(' --compilation-config "{\\"mode\\": \\"$$x 5%%\\"}"')

    def test_it_holds_no_secret(self, hosts: Mapping[str, Host]) -> None:
        for resource in serve.desired(settle(hosts["a100-1"], FACTS).host, FACTS):
            if isinstance(resource, File):
                assert "VLLM_API_KEY=" not in resource.content
        assert "--api-key" not in serve.command(hosts["a100-1"])


def fingerprint(host: Host) -> str:
    return only(Served, serve.desired(settle(host, FACTS).host, FACTS)).service.configuration


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

    def test_a_longer_time_for_a_start_is_vllms_own_too(self, hosts: Mapping[str, Host]) -> None:
        host = changed(hosts["a100-1"], serve__ready_timeout=7200)
        assert "VLLM_ENGINE_READY_TIMEOUT_S=1800" in environment(hosts["a100-1"])
        assert "VLLM_ENGINE_READY_TIMEOUT_S=7200" in environment(host)
        assert fingerprint(hosts["a100-1"]) != fingerprint(host)


def test_the_record_comes_first_and_the_trial_last(hosts: Mapping[str, Host]) -> None:
    resources = serve.desired(settle(hosts["a100-1"], FACTS).host, FACTS)
    served = resources[-1]
    assert isinstance(served, Served)
    assert (served.service.unit, served.deadline_s, served.back) == (box_paths.UNIT, 1800, True)
    kinds = [type(each).__name__ for each in resources if each not in services.programs()]
    assert kinds == ["Directory", "Release", "File", "SecretFile", "UnitFile", "Served"]
    record, paths = only(Release, resources), dict(only(Release, resources).files)
    assert record.fingerprint == served.service.configuration
    assert paths["vllm.service"] == unit(hosts["a100-1"])
    requested = json.loads(paths["question.json"])
    v6 = serve.startup_request(changed(hosts["a100-1"], serve__address="::"))
    assert v6["url"] == "http://[::1]:8000"
    assert (requested["url"], requested["model"]) == ("http://127.0.0.1:8000", "Qwen/Qwen3.5-27B")
    assert requested["body"]["messages"][0]["content"][0]["type"] == "image_url"


def test_what_runs_on_the_box_is_all_there(hosts: Mapping[str, Host], tmp_path: Path) -> None:
    """The programs run from the files that are sent, with nothing else of the project."""
    for name, content in only(TextFiles, services.programs()).files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    done = subprocess.run(
        ["python3", "-I", "-c", f"import sys; sys.path = [{str(tmp_path)!r}, *sys.path]; "
         "import onecard.box.release as it; it.main(['--help'])"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "install" in done.stdout


@pytest.mark.parametrize(
    ("change", "share", "cards"),
    [
        ({}, 0.9, "0"),
        ({"serve__gpu_memory_utilization": 0.5}, 0.5, "0"),
        # vLLM wants its share free with a KV cache of a fixed size too.
        ({"serve__kv_cache_gib": 4.0}, 0.9, "0"),
        ({"serve__tensor_parallel": 2}, 0.9, "0,1"),
        ({"serve__tensor_parallel": 2, "serve__pipeline_parallel": 2}, 0.9, "0,1,2,3"),
        ({"serve__environment": {"CUDA_VISIBLE_DEVICES": "3, 1"}}, 0.9, "3"),
    ],
    ids=str,
)
def test_a_gpu_server_waits_for_its_share_of_its_own_cards(
    hosts: Mapping[str, Host], change: dict[str, object], share: float, cards: str
) -> None:
    host = changed(hosts["a100-1"], **change)
    facts = box(driver=working("580.95.05"), gpus=(CARD,) * 4)
    settled = changed(host, serve__tensor_parallel=change.get("serve__tensor_parallel", 1))
    waits = f"ExecStartPre={box_paths.WAIT_FOR_MEMORY} {share} {cards}"
    assert waits in unit(settled, facts).splitlines()
    assert f"--gpu-memory-utilization {share}" in " ".join(serve.command(host))


def test_a_gpu_server_has_its_device_nodes(hosts: Mapping[str, Host]) -> None:
    """As root and past the unit's own walls, also where the program is not installed."""
    before, *_ = [line for line in unit(hosts["a100-1"]).splitlines() if "ExecStart" in line]
    assert before == "ExecStartPre=+-/usr/bin/nvidia-modprobe -u -c=0"


def test_a_cpu_server_waits_for_no_card(hosts: Mapping[str, Host]) -> None:
    assert "ExecStartPre" not in unit(hosts["box1"])


@pytest.mark.parametrize("ready_timeout", [60, 1800, 7200])
def test_five_slow_attempts_are_the_end(hosts: Mapping[str, Host], ready_timeout: int) -> None:
    """systemd counts the starts of a time that is as long as they can take."""
    lines = unit(changed(hosts["a100-1"], serve__ready_timeout=ready_timeout)).splitlines()
    reported = dict(
        line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")
    )
    names = ("TimeoutStartSec", "TimeoutStopSec", "RestartSec")
    attempt = max(ready_timeout, 1800) + sum(int(reported[name]) for name in names)
    assert int(reported["StartLimitIntervalSec"]) == int(reported["StartLimitBurst"]) * attempt


def test_nothing_in_the_unit_hides_the_cards(hosts: Mapping[str, Host]) -> None:
    """Each of these, ProtectClock= on systemd before 253 too, closes what it does not list."""
    closing = ("PrivateDevices=", "DeviceAllow=", "DevicePolicy=", "ProtectClock=")
    assert not [line for line in unit(hosts["a100-1"]).splitlines() if line.startswith(closing)]


def test_the_servers_own_variables(hosts: Mapping[str, Host]) -> None:
    reported = {"NCCL_DEBUG": "INFO", "ODD": 'a "b" $c \\d `e` #f'}
    lines = environment(changed(hosts["a100-1"], serve__environment=reported))
    assert 'NCCL_DEBUG="INFO"' in lines
    assert 'ODD="a \\"b\\" \\$c \\\\d \\`e\\` #f"' in lines
    assert fingerprint(changed(hosts["a100-1"], serve__environment=reported)) != fingerprint(
        hosts["a100-1"]
    )


def test_compile_caches_lie_where_no_release_and_no_upgrade_replaces_them(
    hosts: Mapping[str, Host],
) -> None:
    """On a pod that place is a link to the volume (base.links)."""
    upgraded = LOCK.model_copy(update={"packages": {**LOCK.packages, "numpy": "2.4.0"}})
    assert upgraded.key != LOCK.key
    kinds = ("CACHE", "WORKSPACE")

    def places(host: Host) -> dict[str, str]:
        given = (line.partition("=") for line in environment(host) if line[0] != "#")
        return {name: value.strip('"') for name, _, value in given if any(k in name for k in kinds)}

    caches = places(hosts["a100-1"])
    assert {"VLLM_CACHE_ROOT", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"} <= caches.keys()
    assert {"PYTHONPYCACHEPREFIX", "FLASHINFER_WORKSPACE_BASE", "XDG_CACHE_HOME"} <= caches.keys()
    for value in caches.values():
        assert value == box_paths.CACHE or value.startswith(f"{box_paths.CACHE}/")
    assert places(replace(hosts["a100-1"], lock=upgraded)) == caches
    links = {link.path: link.target for link in base.links("/workspace/onecard")}
    assert links[box_paths.CACHE] == "/workspace/onecard/cache"


def test_what_onecard_needs_as_it_is_cannot_be_set(hosts: Mapping[str, Host]) -> None:
    """All of the server's environment but what is a choice."""
    names = {line.partition("=")[0] for line in environment(hosts["a100-1"]) if line[0] != "#"}
    choices = {"VLLM_NO_USAGE_STATS", "HF_HUB_OFFLINE", "CUDA_DEVICE_ORDER"}
    assert {name for name in names if not refused_variable(name, "x")} == choices


def test_no_flag_of_the_server_can_be_given_twice(hosts: Mapping[str, Host]) -> None:
    host = changed(
        hosts["a100-1"], serve__kv_cache_gib=4.0, serve__tensor_parallel=2,
        serve__enable_prefix_caching=False, serve__speculative_config="auto",
        serve__tool_call_parser="auto", **{
            f"serve__{name}": value for name, value in {
                "pipeline_parallel": 2, "max_num_seqs": 4, "max_num_batched_tokens": 2048,
                "kv_cache_dtype": "fp8", "quantization": "fp8", "limit_mm_per_prompt": {"image": 1},
                "mm_processor_cache_gib": 1.0, "mm_processor_cache_type": "shm",
                "chat_template_kwargs": {"a": 1}, "language_model_only": True,
                "enforce_eager": True,
            }.items()
        },
    )  # fmt: skip
    given = [word for word in serve.command(host) if word.startswith("--")]
    assert len(given) > 20
    assert [word for word in given if not refused_argument(word, vllm_flags())] == []


def test_a_release_reports_which_commit_of_the_model_it_serves(hosts: Mapping[str, Host]) -> None:
    host = hosts["a100-1"]
    lock = LOCK.model_copy(
        update={"model": served_model.hub_reference(host), "model_revision": "c0ffee"}
    )
    assert serve.about(replace(host, lock=lock))["revision"] == "c0ffee"
    assert serve.about(changed(host, model__revision="v1"))["revision"] == "v1"
