"""Files that a person writes: each is read, or refused in one printable line."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from onecard.cli.set_flag import read_settings
from onecard.errors import OnecardError, UsageError
from onecard.inventory.host import Host
from onecard.inventory.load import load
from onecard.inventory.lock_files import with_lock
from onecard.inventory.origins import setting_values
from onecard.inventory.override import with_block
from onecard.inventory.selection import select
from onecard.project import PROJECT
from onecard.settings.connection_keys import ConnectionKeys
from onecard.settings.layers import layer, merge
from onecard.settings.settings import Settings
from onecard.smoke.case import load_cases
from onecard.templates.render import render
from tests.support.exported_files import lock
from tests.unit.fuzz.texts import JSON, SCALARS, changed


@cache
def documents() -> list[dict[str, Any]]:
    plain = {**ConnectionKeys().model_dump(), **Settings().model_dump(by_alias=True)}
    # A default that is empty is left out: it may not be said.
    return [json.loads(json.dumps({key: each for key, each in plain.items() if each != ""}))]


@example({"serve": {"tensor_parallel": "two"}})
@example({"serve": {"speculative_config": [1]}})
@given(changed(documents))
def test_settings(values: dict[str, Any]) -> None:
    block = layer(values, "inventory/hosts.yml", "all.hosts.box")
    for problem in block.problems:
        assert problem.isprintable()
    with suppress(OnecardError):
        merge([block])


@given(
    changed(documents) | JSON,
    st.sampled_from(["group_vars/all.yml", "hosts.yml", "host_vars/box.yml"]),
)
def test_a_file_of_the_inventory(
    tmp_path_factory: pytest.TempPathFactory, value: Any, name: str
) -> None:
    root = tmp_path_factory.mktemp("project") / "inventory"
    (root / name).parent.mkdir(parents=True)
    (root / "hosts.yml").write_text("all: {hosts: {box: }}\n")
    with suppress(ValueError):  # what YAML itself cannot write
        (root / name).write_text(yaml.safe_dump(value), errors="surrogatepass")
    refused(lambda: load(root))


NAMES = st.sampled_from(
    ["all", "gpu", "box", "1", "a[1:3]", "x-common", "hosts", "children", "vars", "ansible_host",
     "ansible_ssh_common_args", "ansible_become_method", "ansible_become", "nginx_port", "serve",
     "plugin", "modle", "ansible_group_priority", "ansible_become_pass", "port"]
)  # fmt: skip
ARGUMENTS = st.sampled_from(
    ["-o", "-J", "-o ProxyJump=", "-p 99999", "-oPort=x", "'", "-F x", "-i ~nobody9/x"]
)
GROUPS = st.recursive(
    SCALARS | ARGUMENTS, lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


@example({"all": {"hosts": "\ud7fc"}})
@example({"all": {"hosts": {"a": {"ansible_ssh_common_args": "-i ~nobody9/x"}}}})
@example({"all": {"hosts": {"a": {"ansible_connection": ["ssh"], "ansible_become": []}}}})
@example({"all": {"hosts": {"a": {"ansible_connection": {}, "become": {"a": 1}}}}})
@given(GROUPS)
def test_groups_hosts_and_variables_of_any_kind(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    root = tmp_path_factory.mktemp("project") / "inventory"
    root.mkdir()
    with suppress(ValueError):
        (root / "hosts.yml").write_text(yaml.safe_dump(value), errors="surrogatepass")

    def read() -> None:
        for host in load(root).hosts.values():
            assert host.refusal.isprintable()
            assert all(row.path for row in setting_values(host))

    if not (isinstance(value, dict) and isinstance(value.get("plugin"), str)):  # Ansible's part
        refused(read)


@example("serve.ctx=!!int ''")
@example("user=\ud800")
@given(st.text(max_size=20) | st.tuples(NAMES, st.text(max_size=20)).map("=".join))
def test_a_setting_for_one_run(word: str) -> None:
    host = Host("box", ConnectionKeys().connection("box", PROJECT), Settings())
    refused(lambda: with_block(host, read_settings([word]), "--set", PROJECT))


@given(st.text(max_size=20) | st.lists(NAMES, max_size=3).map(":!".join))
def test_a_pattern_of_hosts(tmp_path_factory: pytest.TempPathFactory, pattern: str) -> None:
    root = tmp_path_factory.mktemp("inventory")
    (root / "hosts.yml").write_text("gpu: {hosts: {box: , b: , '2001:db8::7': }}\n")
    inventory = load(root)
    refused(lambda: select(inventory, pattern, {}, None))
    refused(lambda: select(inventory, None, {}, None, limit=pattern))


@pytest.mark.parametrize("text", ['!!int ""', "!!bool x", "!!float x", "!!null x", "!!timestamp x", "2026-99-99",
                                  "? [a]\n: b", "a: &a [*a]", "[" * 400, "{a: " * 400, "\x07", "!!python/name:os.system",
        "!%07x y"])  # fmt: skip
def test_odd_yaml(text: str, tmp_path: Path) -> None:
    root = tmp_path / "inventory"
    root.mkdir()
    for content in (text, f"all: {{hosts: {{box: {{serve: {{ctx: {text}}}}}}}}}"):
        (root / "hosts.yml").write_text(content)
        refused(lambda: load(root))
        (tmp_path / "cases.yml").write_text(content)
        refused(lambda: load_cases(tmp_path / "cases.yml"))


def refused(load: Any) -> None:
    try:
        load()
    except UsageError as error:
        assert error.message.isprintable(), ascii(error.message)


PIECES = st.sampled_from(
    ["{{ user }}", "{{ user | unit_value }}", "{{ 1 // 0 }}", "{{ user.x.y }}", "{% if user %}", "{% endif %}",
     "{{", "}}", "{%", "{# ", "{{ x", "{{ user | nothing }}", "{{ user | number(1, 2) }}", "{% include 'x' %}",
     "{{ user + 1 }}", "{{ (1, 2) | unit_words }}", "{% extends user %}", "{{ '%d' % user }}", "\n", "{{ user() }}"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=4), max_size=5).map("".join))
@example("{{ (1 // 0) | number }}")
@example("{{ (user + 1) | unit_value }}")
@example("{% include 'own.j2' %}")
def test_a_template(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("templates")
    (folder / "own.j2").write_text(text, errors="replace")
    refused(lambda: render("own.j2", {"user": "me"}, folder))


@cache
def locks() -> list[dict[str, Any]]:
    return [json.loads(json.dumps(lock().to_plain()))]


@given(changed(locks) | JSON)
def test_a_lock_file(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    inventory = tmp_path_factory.mktemp("inventory")
    (inventory / "locks").mkdir()
    with suppress(ValueError):
        (inventory / "locks" / "box.yml").write_text(yaml.safe_dump(value), errors="surrogatepass")
    host = Host("box", ConnectionKeys().connection("box", PROJECT), Settings())
    refused(lambda: with_lock(host, inventory))


CASES = [
    {"cases": [{"name": "a", "image": "a.png", "question": "b?", "expect": ["c"], "max_tokens": 5}]}
]


@example({"cases": [{"name": "a", "image": "x" * 300 + ".png", "question": "b?", "expect": ["c"]}]})
@given(
    changed(lambda: CASES)
    | JSON
    | st.fixed_dictionaries({"cases": st.lists(changed(lambda: CASES[0]["cases"]))})
)
def test_a_case_file(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.mktemp("cases") / "cases.yml"
    with suppress(ValueError):
        path.write_text(yaml.safe_dump(value), errors="surrogatepass")
    refused(lambda: load_cases(path))
