"""Flags that every command takes: --inventory, --limit, --set; and `invoke settings`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from invoke import Executor, Exit
from invoke.parser import Parser

import tasks
from onecard.cli import run_flags, targets
from onecard.cli.set_flag import read_settings
from onecard.errors import UsageError

HOSTS = """\
all:
  children:
    gpu:
      vars: {serve: {ctx: 8192}}
      hosts:
        a: {address: 203.0.113.1}
        b: {address: 203.0.113.2, nginx_port: 80}
    cpu:
      hosts: {c: }
"""


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "inventory" / "hosts.yml"
    path.parent.mkdir()
    path.write_text(HOSTS)
    monkeypatch.delenv("ONECARD_INVENTORY", raising=False)
    monkeypatch.delenv("ONECARD_HOST", raising=False)
    monkeypatch.setenv("ONECARD_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(targets, "own_folder", lambda: tmp_path)  # no pinned host
    return path.parent


def invoke(*words: str) -> None:
    parser = Parser(contexts=tasks.namespace.to_contexts())
    Executor(tasks.namespace).execute(*parser.parse_argv(list(words)))


def document(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def values(capsys: pytest.CaptureFixture[str], key: str) -> dict[str, Any]:
    found = document(capsys)["hosts"]
    rows = {host["host"]: {row["key"]: row for row in host["settings"]} for host in found}
    return {host: row[key] for host, row in rows.items()}


def run_record(host: str, status: str, stamp: str) -> None:
    folder = Path(os.environ["ONECARD_RUNS"]) / host
    folder.mkdir(parents=True, exist_ok=True)
    events = [
        {"event": "begin", "time": stamp, "version": 1, "kind": "provision", "host": host},
        {"event": "end", "time": stamp, "status": status},
    ]
    name = stamp.replace(":", "").replace("-", "")
    (folder / f"{name}-provision.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))


def test_settings_show_value_default_file_and_line(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    invoke("settings", "serve", "--inventory", str(inventory), "--host", "a", "--json")
    row = values(capsys, "serve.ctx")["a"]
    assert row == {
        "key": "serve.ctx", "value": 8192, "default": 4096, "file": "inventory/hosts.yml",
        "line": 4, "written": "all.children.gpu.vars.serve.ctx",
    }  # fmt: skip
    invoke("settings", "--inventory", str(inventory), "--host", "a")
    shown = capsys.readouterr().out
    assert "serve.ctx" in shown and "inventory/hosts.yml: line 4" in shown
    assert "address" in shown and "inventory/hosts.yml: line 6" in shown
    assert "onecard" in shown  # a default
    assert "ONECARD_INVENTORY" not in os.environ


def test_an_unknown_setting_is_refused(inventory: Path) -> None:
    with pytest.raises(Exit) as caught:
        invoke("settings", "serve.x", "--inventory", str(inventory), "--host", "a")
    assert caught.value.code == 2


def test_set_counts_for_one_run_and_names_itself(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["settings", "--inventory", str(inventory), "--host", "gpu", "--json"]
    invoke(*words, "-e", "serve.ctx=128k", "--set", "address=198.51.100.7 port=40022")
    found = document(capsys)["hosts"]
    rows = {row["key"]: row for row in found[1]["settings"]}
    assert [rows[key]["value"] for key in ("serve.ctx", "address", "port")] == [
        131072,
        "198.51.100.7",
        40022,
    ]
    assert (rows["port"]["file"], rows["port"]["line"]) == ("--set", None)
    assert run_flags.current() == run_flags.RunFlags()


def test_limit_alone_chooses_among_all(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for limit, expected in (("gpu", "a b"), ("!gpu", "c"), ("all:!b", "a c"), ("gpu:&b", "b")):
        invoke("settings", "--inventory", str(inventory), "--limit", limit, "--json", "user")
        assert " ".join(values(capsys, "user")) == expected


def test_the_hosts_whose_last_run_failed(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_record("a", "failed", "2026-01-01T00:00:00Z")
    run_record("a", "done", "2026-01-02T00:00:00Z")
    run_record("b", "failed", "2026-01-02T00:00:00Z")
    run_record("gone", "failed", "2026-01-02T00:00:00Z")
    invoke("settings", "user", "--inventory", str(inventory), "--host", "@failed", "--json")
    assert list(values(capsys, "user")) == ["b"]
    with pytest.raises(Exit) as caught:
        invoke("settings", "--inventory", str(inventory), "--host", "cpu", "--limit", "@failed")
    assert caught.value.code == 2
    assert "--limit: @failed leaves none of --host cpu" in capsys.readouterr().err


def test_one_source_as_the_inventory(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = inventory / "other.yaml"
    other.write_text("all: {hosts: {z: {port: 2022}}}\n")
    invoke("settings", "port", "--inventory", str(other), "--json")
    assert values(capsys, "port")["z"]["value"] == 2022
    with pytest.raises(Exit):
        invoke("settings", "--inventory", str(inventory / "missing"))
    assert "does not exist" in capsys.readouterr().err


def test_hosts_list_what_is_not_read(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    invoke("hosts", "--inventory", str(inventory), "--json")
    assert document(capsys)["ignored"] == [
        {"variable": "nginx_port", "file": "inventory/hosts.yml", "line": 7}
    ]
    invoke("hosts", "--inventory", str(inventory))
    shown = capsys.readouterr().out
    assert shown.count("nginx_port (inventory/hosts.yml: line 7)") == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["serve.ctx=65536"], {"serve": {"ctx": 65536}}),
        (["serve.ctx=128k", "serve.ctx=1M"], {"serve": {"ctx": "1M"}}),
        (["vllm.version=0.33"], {"vllm": {"version": "0.33"}}),
        (["serve.tensor_parallel=2"], {"serve": {"tensor_parallel": 2}}),
        (["serve.enforce_eager=true"], {"serve": {"enforce_eager": True}}),
        (["packages=[htop, nvtop]"], {"packages": ["htop", "nvtop"]}),
        (["serve.environment.OMP_NUM_THREADS=4"], {"serve": {"environment": {"OMP_NUM_THREADS": "4"}}}),
        (["serve.limit_mm_per_prompt.image=4"], {"serve": {"limit_mm_per_prompt": {"image": 4}}}),
        (["serve={ctx: 1}", "serve.port=2"], {"serve": {"ctx": 1, "port": 2}}),
        (["ansible_host=x port=3"], {"ansible_host": "x", "port": 3}),
        (["model.name=my own name"], {"model": {"name": "my own name"}}),
        (["ssh_common_args=-o Port=3"], {"ssh_common_args": "-o Port=3"}),
        (["model.name="], {"model": {"name": ""}}),
        (["serve.kv_cache_gib=null"], {"serve": {"kv_cache_gib": None}}),
    ],
)  # fmt: skip
def test_values_are_typed_as_the_settings(words: list[str], expected: dict[str, Any]) -> None:
    assert read_settings(words) == expected


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("serve.ctx", 'is not KEY.PATH=VALUE'),
        ("=3", 'is not KEY.PATH=VALUE'),
        ("serv.ctx=3", 'serv.ctx: no such setting; did you mean "serve"'),
        ("nginx_port=80", "nginx_port: no such setting; see `invoke settings`"),
        ("serve.ctx=[", "serve.ctx: line 1"),
        ("serve.ctx=!!python/name:os.system x", "the tag !!python"),
    ],
)  # fmt: skip
def test_a_wrong_word(word: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_settings([word])
    assert caught.value.message.startswith("--set: ")
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("serve.ctx=x", '--set: serve.ctx: "x": is not a number of tokens'),
        ("serve.ctxx=1", '--set: serve.ctxx: no such setting; did you mean "ctx"?'),
        ("ansible_port=70000", "--set: ansible_port: 70000 is more than 65535"),
        ("model.name={{ x }}", "--set: model.name: a template is not expanded here"),
    ],
)
def test_a_wrong_value_names_the_flag_and_only_the_chosen_host_counts(
    word: str, message: str, inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Exit) as caught:
        invoke("settings", "--inventory", str(inventory), "--host", "a", "-e", word)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_every_command_has_the_flags_of_a_run() -> None:
    for name, task in tasks.namespace.tasks.items():
        flags = {flag.name: flag.names for flag in task.get_arguments()}
        assert "inventory" in flags, name
        if "host" in flags and name not in ("runs", "use"):
            assert flags["set"] == ("set", "e")
            assert "limit" in flags
    with pytest.raises(Exit) as caught:
        invoke("plan", "-e")
    assert caught.value.code == 2
