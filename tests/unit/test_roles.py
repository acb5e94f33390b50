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
from facts_support import CARD, box, working

import roles
from onecard import layout
from onecard.errors import UsageError
from onecard.facts import Facts, Python
from onecard.host import Host
from onecard.inventory import load
from onecard.locks.lock import Lock
from onecard.override import override
from onecard.places import PROJECT
from onecard.plan import probes
from onecard.resources.apt import AptPackages
from onecard.resources.base import Resource
from onecard.resources.environment import Environment, Unresolved, UvPython
from onecard.resources.files import Directory, File, Link
from onecard.resources.hub import HubAnswer, HubModel
from onecard.resources.python import PythonPackages, Venv
from onecard.resources.release import Release, Served
from onecard.resources.service import CONFIGURATION
from onecard.resources.text_files import TextFiles
from onecard.resources.tree import Tree
from onecard.resources.user import User
from onecard.resources.wheels import Wheels
from onecard.secret import Secret
from onecard.serve_refusals import refused_argument, refused_variable
from roles import model, serve

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
    for resource in serve.desired(host, facts):
        if isinstance(resource, File) and resource.path == path:
            return resource.content
    raise AssertionError(f"no {path}")


def unit(host: Host, facts: Facts = FACTS) -> str:
    return deployed_file(host, layout.UNIT_FILE, facts)


def environment(host: Host) -> list[str]:
    return deployed_file(host, layout.ENVIRONMENT).splitlines()


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
    assert only(Venv, found["python"]).path == f"{layout.TOOLS}/venv"
    assert only(PythonPackages, found["python"]).packages == ("uv",)
    environment = only(Environment, found["vllm"])
    assert environment.path == f"{layout.VENVS}/{LOCK.key}"
    assert environment.packages == LOCK.packages
    assert environment.places == (("--index", LOCK.index, "--torch-backend", "cu130"),)
    assert environment.mends == ()
    assert {check.name for check in environment.checks} == {"header", "tools", "torch", "versions"}
    assert [
        role for role, resources in found.items() for each in resources if isinstance(each, Link)
    ] == ["model"]
    assert only(Link, found["model"]).target == environment.path
    assert isinstance(found["model"][-1], Link)  # it moves when all else has gone well
    assert only(HubModel, found["model"]).repository == "Qwen/Qwen3.5-27B"
    assert only(HubModel, found["model"]).path == f"{layout.MODELS}/Qwen--Qwen3.5-27B"


def test_the_hub_is_asked_before_anything_is_changed(hosts: Mapping[str, Host]) -> None:
    host = hosts["a100-1"]
    first, second, *_ = wanted(host)["base"]
    assert isinstance(first, HubAnswer)
    assert first.model == only(HubModel, wanted(host)["model"])
    assert isinstance(second, AptPackages)
    # The question is a Python program.
    bare = roles.provision(host, replace(FACTS, python=Python()))[0].resources
    assert [type(each) for each in bare[:2]] == [AptPackages, HubAnswer]
    assert not any(isinstance(each, HubAnswer) for each in wanted(hosts["box1"])["base"])


def test_a_cpu_host(hosts: Mapping[str, Host]) -> None:
    found = wanted(hosts["box1"])
    assert "libnuma1" in only(AptPackages, found["base"]).packages
    environment = only(Environment, found["vllm"])
    assert [mend.name for mend in environment.mends] == ["name of vllm", "torchvision"]
    assert {check.arguments for check in environment.checks} == {(), ("cpu",)}
    assert only(Tree, found["model"]).source == PROJECT / "onecard" / "data" / "tiny-vqa"
    folder = only(Tree, found["model"]).path
    assert re.fullmatch(rf"{layout.MODELS}/tiny-vqa-[0-9a-f]{{12}}", folder)


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
    assert '"url": "https://mirror.example/simple"' in files[f"{layout.TOOLS}/indexes.json"].content
    assert layout.INDEX_CREDENTIALS not in files
    host = replace(host, index_login=Secret("me:very-secret"))
    files = {each.path: each for each in wanted(host)["python"] if isinstance(each, File)}
    login = files[layout.INDEX_CREDENTIALS]
    assert login.content == "machine mirror.example login me password very-secret\n"
    assert (login.mode, login.sensitive) == (0o600, True)
    others = [each.content for path, each in files.items() if path != layout.INDEX_CREDENTIALS]
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


def test_the_command_of_the_27b_preset(hosts: Mapping[str, Host]) -> None:
    host = changed(hosts["a100-1"], serve__ctx=65536)
    assert serve.command(host) == (
        f"{layout.VENVS}/{LOCK.key}/bin/vllm",
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
    assert command[2:5] == (model.folder(hosts["box1"]), "--served-model-name", "tiny-vqa")
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
            hosts["a100-1"], serve__extra_args=["--compilation-config", '{"mode": "$x 5%"}']
        )
        (start,) = [line for line in unit(host).splitlines() if line.startswith("ExecStart=")]
        assert start.endswith(' --compilation-config "{\\"mode\\": \\"$$x 5%%\\"}"')

    def test_it_holds_no_secret(self, hosts: Mapping[str, Host]) -> None:
        for resource in serve.desired(hosts["a100-1"], FACTS):
            if isinstance(resource, File):
                assert "VLLM_API_KEY=" not in resource.content
        assert "--api-key" not in serve.command(hosts["a100-1"])


def fingerprint(host: Host) -> str:
    return only(Served, serve.desired(host, FACTS)).service.configuration


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
    resources = serve.desired(hosts["a100-1"], FACTS)
    served = resources[-1]
    assert isinstance(served, Served)
    assert (served.service.unit, served.deadline_s, served.back) == (layout.UNIT, 1800, True)
    kinds = [type(each).__name__ for each in resources if each not in serve.programs()]
    assert kinds == ["Directory", "Release", "File", "SecretFile", "File", "Served"]
    record, paths = only(Release, resources), dict(only(Release, resources).files)
    assert record.fingerprint == served.service.configuration
    assert paths["vllm.service"] == unit(hosts["a100-1"])
    asked = json.loads(paths["question.json"])
    v6 = serve.question(changed(hosts["a100-1"], serve__address="::"))
    assert v6["url"] == "http://[::1]:8000"
    assert (asked["url"], asked["model"]) == ("http://127.0.0.1:8000", "Qwen/Qwen3.5-27B")
    assert asked["body"]["messages"][0]["content"][0]["type"] == "image_url"


def test_what_runs_on_the_box_is_all_there(hosts: Mapping[str, Host], tmp_path: Path) -> None:
    """The programs run from the files that are sent, with nothing else of the project."""
    for name, content in only(TextFiles, serve.programs()).files:
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
    waits = f"ExecStartPre={layout.WAIT_FOR_MEMORY} {share} {cards}"
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
    told = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    names = ("TimeoutStartSec", "TimeoutStopSec", "RestartSec")
    attempt = max(ready_timeout, 1800) + sum(int(told[name]) for name in names)
    assert int(told["StartLimitIntervalSec"]) == int(told["StartLimitBurst"]) * attempt


def test_nothing_in_the_unit_hides_the_cards(hosts: Mapping[str, Host]) -> None:
    """Each of these, ProtectClock= on systemd before 253 too, closes what it does not list."""
    closing = ("PrivateDevices=", "DeviceAllow=", "DevicePolicy=", "ProtectClock=")
    assert not [line for line in unit(hosts["a100-1"]).splitlines() if line.startswith(closing)]


def test_the_servers_own_variables(hosts: Mapping[str, Host]) -> None:
    told = {"NCCL_DEBUG": "INFO", "ODD": 'a "b" $c \\d `e` #f'}
    lines = environment(changed(hosts["a100-1"], serve__environment=told))
    assert 'NCCL_DEBUG="INFO"' in lines
    assert 'ODD="a \\"b\\" \\$c \\\\d \\`e\\` #f"' in lines
    assert fingerprint(changed(hosts["a100-1"], serve__environment=told)) != fingerprint(
        hosts["a100-1"]
    )


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
    assert [word for word in given if not refused_argument(word)] == []


def test_a_release_says_which_commit_of_the_model_it_serves(hosts: Mapping[str, Host]) -> None:
    host = hosts["a100-1"]
    lock = LOCK.model_copy(update={"model": model.asked(host), "model_revision": "c0ffee"})
    assert serve.about(replace(host, lock=lock))["revision"] == "c0ffee"
    assert serve.about(changed(host, model__revision="v1"))["revision"] == "v1"
