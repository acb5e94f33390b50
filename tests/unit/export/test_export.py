"""A host's server for other engines: the unit's words, its cards, secrets by reference, no value lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from invoke import Context

import tasks
from onecard.errors import UsageError
from onecard.export.container import container_server
from onecard.export.formats import FORMATS
from onecard.export.image import image
from onecard.export.validate import Validation, validate
from onecard.fit.on_host import settle
from onecard.inventory.host import Host
from onecard.inventory.load import load
from onecard.inventory.lock import Lock
from onecard.inventory.lock_files import write
from onecard.inventory.override import override
from onecard.project import PROJECT
from roles import serve
from tests.support.exported_files import lock, parsed
from tests.support.facts_support import CARD, box, working

COMMIT = "8959cf64189c00000000000000000000000000aa"
AWKWARD = '{"a": "$(X) ${Y} %d \'b\' \\\\n"}'
FACTS = box(driver=working("580.95.05"), gpus=(CARD, CARD))


@pytest.fixture
def host(tmp_path: Path) -> Callable[..., Host]:
    """Return a host of the shipped inventory with these settings of `serve`, and a lock."""

    def make(group: str = "gpu", locked: Lock | None = None, **serving: Any) -> Host:
        folder = tmp_path / group
        shutil.copytree(PROJECT / "inventory" / "group_vars", folder / "group_vars")
        hosts = {"a100-1": {"serve": serving, "vllm": {"channel": "release", "version": "0.32.0"}}}
        text = yaml.safe_dump({"all": {"children": {group: {"hosts": hosts}}}})
        (folder / "hosts.yml").write_text(text)
        locked = locked or lock(cuda="cpu" if group == "sandbox" else "cu130")
        return replace(load(folder).hosts["a100-1"], lock=locked)

    return make


@pytest.mark.parametrize(
    ("locked", "named"),
    [
        (lock(), "vllm/vllm-openai:v0.32.0"),
        (lock("0.32.0+cu129", "cu129"), "vllm/vllm-openai:v0.32.0-cu129"),
        (lock("0.17.0", "cu128"), "vllm/vllm-openai:v0.17.0"),
        (lock("0.34.0.dev5+gabc", commit=COMMIT), f"vllm/vllm-openai:nightly-{COMMIT}"),
        (
            lock("0.34.0.dev5+gabc", "cu129", commit=COMMIT),
            f"vllm/vllm-openai:cu129-nightly-{COMMIT}",
        ),
        (lock(cuda="cpu"), "vllm/vllm-openai-cpu:v0.32.0"),
    ],
)
def test_the_image_is_that_of_the_locked_vllm(locked: Lock, named: str) -> None:
    assert image(locked) == named


def test_the_words_are_those_of_the_unit(host: Callable[..., Host]) -> None:
    one = host(ctx="64k", extra_args=["--compilation-config", AWKWARD])
    server = container_server(one, FACTS, token=False)
    # The unit's words behind `vllm serve FOLDER`.
    unit = list(serve.command(settle(one, FACTS).host)[3:])
    unit[unit.index("127.0.0.1")] = "0.0.0.0"
    assert server.arguments == ("Qwen/Qwen3.5-27B", *unit)
    assert unit[unit.index("--tensor-parallel-size") + 1] == "2"


def test_a_model_of_the_hub_has_its_locked_commit(host: Callable[..., Host]) -> None:
    locked = lock(model="Qwen/Qwen3.5-27B@", model_revision=COMMIT)
    server = container_server(host(locked=locked), FACTS, token=True)
    assert server.arguments[:3] == ("Qwen/Qwen3.5-27B", "--revision", COMMIT)
    assert set(server.secrets) == {"VLLM_API_KEY", "HF_TOKEN"}
    assert not server.folder


def test_a_local_model_is_mounted_and_needs_no_hub(host: Callable[..., Host]) -> None:
    server = container_server(host("sandbox"), None, token=True)
    assert server.folder == server.arguments[0]
    assert server.environment["HF_HUB_OFFLINE"] == "1"
    assert set(server.secrets) == {"VLLM_API_KEY"}
    assert server.cards == ()
    assert parsed("compose", server).mounts == {server.folder}
    assert parsed("quadlet", server).mounts == {server.folder}
    assert parsed("k8s", server).mounts == {server.folder}


def test_visible_cards_are_requested_and_not_numbered_twice(host: Callable[..., Host]) -> None:
    one = host(tensor_parallel=2, environment={"CUDA_VISIBLE_DEVICES": "2,3,5"})
    server = container_server(one, None, token=False)
    assert server.cards == ("2", "3")
    assert "CUDA_VISIBLE_DEVICES" not in server.environment


def test_without_a_lock_or_cards_it_says_what_to_run(host: Callable[..., Host]) -> None:
    one = host()
    with pytest.raises(UsageError, match=r"a100-1: it has no lock yet.*invoke provision"):
        container_server(replace(one, lock=None), FACTS, token=False)
    with pytest.raises(
        UsageError, match=r"tensor_parallel is auto.*--set serve\.tensor_parallel=1"
    ):
        container_server(one, None, token=False)


def test_an_old_driver_gets_the_images_compatibility_package(host: Callable[..., Host]) -> None:
    old = box(driver=working("570.86.10"), gpus=(CARD,))
    one = host()
    one = override(one, {"driver.source": "none"}, {"driver.source": "--flag"})
    assert serve.server_environment(one, old).get("LD_LIBRARY_PATH")
    found = container_server(one, old, token=False).environment
    assert found["VLLM_ENABLE_CUDA_COMPATIBILITY"] == "1"
    assert "LD_LIBRARY_PATH" not in found


@pytest.mark.parametrize("kind", FORMATS)
def test_each_engine_gets_what_the_server_is(kind: str, host: Callable[..., Host]) -> None:
    one = host(
        extra_args=["--compilation-config", AWKWARD, "--é", "a b", "--yes", "on"],
        environment={"NCCL_DEBUG": AWKWARD, "OCTAL": "0o17", "NO": "no"},
        ready_timeout=900,
    )
    server = container_server(one, FACTS, token=True)
    found = parsed(kind, server)
    assert found.arguments == list(server.arguments)
    assert found.environment == server.environment
    assert found.cards == 2
    assert found.mounts == set()
    assert found.start_s == 900
    assert found.secrets == server.secrets


def test_quadlet_refuses_what_it_would_drop(host: Callable[..., Host]) -> None:
    server = container_server(host(extra_args=["--chat-template", ""]), FACTS, token=False)
    with pytest.raises(UsageError, match="Quadlet drops an empty argument"):
        FORMATS["quadlet"].document(server, "a100-1")
    with pytest.raises(UsageError, match="Quadlet cannot mount /a:b"):
        FORMATS["quadlet"].document(replace(server, arguments=("m",), folder="/a:b"), "a100-1")


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="no docker-compose here")
def test_docker_compose_accepts_it(host: Callable[..., Host]) -> None:
    server = container_server(host(extra_args=["--x", AWKWARD]), FACTS, token=True)
    found = validate("compose", FORMATS["compose"].document(server, "h"), "a.compose.yaml")
    assert (found.trouble, bool(found.tool)) == ("", True)


def _tool(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    folder.mkdir()
    (folder / "kubeconform").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "kubeconform").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_a_tool_reads_the_file_and_its_refusal_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _tool(
        tmp_path / "bin", monkeypatch, 'grep -q "kind: Pod" "$3" || { echo "no pod" >&2; exit 1; }'
    )
    assert validate("k8s", "kind: Pod\n", "a.yaml") == Validation("kubeconform -strict -summary")
    assert validate("k8s", "kind: No\n", "a.yaml").trouble == "no pod"


@pytest.fixture
def inventory(tmp_path: Path, host: Callable[..., Host], monkeypatch: pytest.MonkeyPatch) -> Path:
    one = host("sandbox")
    assert one.lock is not None
    write(tmp_path / "sandbox", one.name, one.lock)
    monkeypatch.setenv("ONECARD_INVENTORY", str(tmp_path / "sandbox"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return tmp_path


def test_the_command_writes_the_file_and_says_that_it_was_not_validated(
    inventory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONECARD_API_KEY", "sk-of-this-host")
    monkeypatch.setenv("PATH", str(inventory))  # none of the tools
    out = inventory / "vllm.yaml"
    tasks.namespace["export"](Context(), host="a100-1", format="k8s", output=str(out))
    said = capsys.readouterr()
    assert "validated  not: this computer has none of the tools that read k8s files" in said.err
    assert "image      vllm/vllm-openai-cpu:v0.32.0" in said.err
    kinds = [each["kind"] for each in yaml.safe_load_all(out.read_text())]
    assert kinds == ["PersistentVolumeClaim", "Deployment", "Service"]
    assert "sk-of-this-host" not in out.read_text() + said.out + said.err


def test_the_command_ends_with_1_where_the_tool_refuses(
    inventory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _tool(inventory / "bin", monkeypatch, "echo wrong; exit 1")
    with pytest.raises(BaseException) as ended:
        tasks.namespace["export"](Context(), host="a100-1", format="k8s")
    assert getattr(ended.value, "code", None) == 1
    said = capsys.readouterr()
    assert "error: kubeconform -strict -summary refuses it\n    wrong" in said.err
    assert "kind: Deployment" in said.out


def test_an_unknown_format_is_one_line(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BaseException) as ended:
        tasks.namespace["export"](Context(), host="a100-1", format="helm")
    assert getattr(ended.value, "code", None) == 2
    assert capsys.readouterr().err == 'error: --format: "helm" is none of compose, quadlet, k8s\n'
