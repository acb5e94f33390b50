"""What the inventory makes of Ansible's files, compared with Ansible itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.parsing.utils.addresses import parse_address
from ansible.plugins.inventory import expand_hostname_range

from onecard.inventory.host_ranges import expand
from onecard.inventory.load import load
from onecard.settings.settings import Settings

FIXTURES = Path(__file__).parents[1] / "fixtures" / "inventory"
PROJECT = Path(__file__).parents[3]
SHIPPED = PROJECT / "inventory"


def copy_of_shipped(folder: Path) -> Path:
    root = folder / "inventory"
    (root / "group_vars").mkdir(parents=True)
    (root / "hosts.yml").write_text((SHIPPED / "hosts.yml").read_text())
    for file in (SHIPPED / "group_vars").iterdir():
        (root / "group_vars" / file.name).write_text(file.read_text())
    return root


def ansible_sees(root: Path, home: Path) -> dict:
    program = Path(sys.executable).parent / "ansible-inventory"
    sources = [
        word
        for name in ("hosts.yml", "sandbox.yml")
        if (root / name).exists()
        for word in ("-i", name)
    ]
    done = subprocess.run(
        [program, *sources, "--list"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8"},
    )
    return json.loads(done.stdout)


def members(listed: dict, group: str) -> set[str]:
    body = listed.get(group, {})
    return set(body.get("hosts", ())).union(*(members(listed, c) for c in body.get("children", ())))


@pytest.mark.parametrize("name", ["nested", "several"])
def test_ansible_inventory_sees_the_same(name: str, tmp_path: Path) -> None:
    root = FIXTURES / name
    ours, theirs = load(root), ansible_sees(root, tmp_path)
    assert {g: set(hosts) for g, hosts in ours.groups.items() if hosts} == {
        g: members(theirs, g) for g in theirs if g != "_meta" and members(theirs, g)
    }
    assert set(ours.hosts) == members(theirs, "all")
    for host_name, host in ours.hosts.items():
        variables = theirs["_meta"]["hostvars"].get(host_name, {})
        connection = host.connection
        assert connection.address == variables.get("ansible_host", host_name)
        assert connection.port == variables.get("ansible_port")
        assert connection.user == variables.get("ansible_user", "")
        assert connection.connect_timeout == variables.get("ansible_timeout", 15.0)
        key = variables.get("ansible_ssh_private_key_file")
        assert connection.key_file == (root.parent / key if key else None)


def test_shipped_inventory_and_the_sandbox_have_the_same_hosts_in_ansible(tmp_path: Path) -> None:
    root = copy_of_shipped(tmp_path)
    (root / "sandbox.yml").write_text(
        "sandbox:\n  hosts:\n    sandbox:\n      ansible_host: 10.1.2.3\n"
    )
    ours, theirs = load(root), ansible_sees(root, tmp_path)
    assert list(ours.hosts) == ["sandbox"]
    assert members(theirs, "all") == members(theirs, "sandbox") == {"sandbox"}
    settings = ours.hosts["sandbox"].settings
    assert (settings.accelerator, settings.model.name, settings.serve.kv_cache_gib) == (
        "cpu",
        "tiny-vqa",
        0.25,
    )


def test_precedence() -> None:
    hosts = load(FIXTURES / "nested").hosts
    assert (
        hosts["a100-01"].connection.connect_timeout == 7
    )  # group_vars/all beats a group in the file
    assert hosts["a100-01"].connection.port == 2203  # the folder's later file
    assert hosts["odd"].connection.port == 2222  # the host beats every group_vars
    assert hosts["a100-01"].connection.user == "ubuntu"  # a child beats its parent
    assert hosts["a100-01"].groups == ("rented", "gpu", "zeta", "beta")  # beta by its priority
    assert hosts["a100-03"].connection.address == "203.0.113.33"
    assert hosts["loner"].groups == ("ungrouped",)


def test_mappings_merge_deeply() -> None:
    serve = load(FIXTURES / "nested").hosts["a100-03"].settings.serve
    assert (serve.ctx, serve.port) == (65536, 9000)


def test_shipped_inventory_is_valid_and_has_no_host(tmp_path: Path) -> None:
    inventory = load(copy_of_shipped(tmp_path))
    assert dict(inventory.hosts) == {}
    assert inventory.groups["gpu"] == ()
    rental = inventory.rental
    assert rental.groups == ("gpu",)
    assert (rental.settings.accelerator, rental.settings.serve.ctx) == ("nvidia", 4096)


def test_the_overview_of_settings_reports_every_default(tmp_path: Path) -> None:
    text = (SHIPPED / "group_vars" / "all.yml").read_text()
    active = re.sub(r"(?m)^# ( *[a-z_]+:( .*)?)$", r"\1", text)
    (tmp_path / "hosts.yml").write_text("all: {hosts: {box: {}}}\n")
    (tmp_path / "group_vars").mkdir()
    # An address for all hosts would be no default but a mistake.
    (tmp_path / "group_vars" / "all.yml").write_text(re.sub(r"(?m)^address: .*$", "", active))
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "hosts.yml").write_text("all: {hosts: {box: {}}}\n")
    assert load(tmp_path).hosts["box"] == load(plain).hosts["box"]
    for name, field in Settings.model_fields.items():
        assert re.search(rf"(?m)^{field.alias or name}:", active)
        for inner in getattr(field.annotation, "model_fields", {}):
            assert re.search(rf"(?m)^  {inner}:", active)


@pytest.mark.parametrize("content", [None, "", "# nothing yet\n", "all:\n"])
def test_no_hosts_is_fine(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "hosts.yml").write_text(content)
    assert dict(load(tmp_path).hosts) == {}


@pytest.mark.parametrize(
    "pattern",
    [
        "plain",
        "node[01:03]",
        "[a:c]",
        "x[1:9:4]y",
        "a[1:2]b[x:z]",
        "web:2222",
        "web[1:2]:22",
        "[::1]:22",
        "[2001:db8::7]:2022",
        "n[:2]",
        "N[A:C]",
    ],
)
def test_ranges_expand_as_ansible_expands_them(pattern: str) -> None:
    try:
        name, port = parse_address(pattern, allow_ranges=True)
    except Exception:  # Ansible's plugin takes what it cannot parse as it stands
        name, port = pattern, None
    names = expand_hostname_range(name) if "[" in name else [name]
    assert expand(pattern) == (tuple(names), port)


@pytest.mark.parametrize(
    "pattern",
    [
        "a[1:2",
        "a[3:1]",
        "a[01:1]",
        "a[1:b]",
        "a[1:5:0]",
        "a[0:999999999]",
        "a[1:999][1:999]",
        "-oProxyCommand=x",
        "a b",
        "a/b",
        "",
    ],
)
def test_a_range_or_name_that_cannot_be(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        expand(pattern)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"ansible_ssh_common_args": "-J jump@203.0.113.9:22"},
            {"proxy_jump": "jump@203.0.113.9:22"},
        ),
        ({"ansible_ssh_extra_args": "-o ProxyJump=jump"}, {"proxy_jump": "jump"}),
        ({"ansible_ssh_common_args": "-oProxyJump=jump"}, {"proxy_jump": "jump"}),
        ({"ansible_ssh_common_args": "-Jjump"}, {"proxy_jump": "jump"}),
        ({"ansible_ssh_common_args": ""}, {"proxy_jump": ""}),
        ({"address": "203.0.113.4", "ansible_host": "203.0.113.4"}, {"address": "203.0.113.4"}),
        (
            {"ansible_connection": "ssh", "ansible_become_user": "root", "ansible_become": False},
            {"become": False},
        ),
        (
            {"ansible_python_interpreter": "/usr/bin/python3", "idle_timeout": 5},
            {"idle_timeout": 5.0},
        ),
        ({"key_file": "/keys/a"}, {"key_file": Path("/keys/a")}),
        ({"key_file": "~/.ssh/id"}, {"key_file": Path.home() / ".ssh/id"}),
    ],
)
def test_connection_keys(variables: dict, expected: dict, tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"box": variables}}}))
    connection = load(tmp_path).hosts["box"].connection
    assert {name: getattr(connection, name) for name in expected} == expected
