"""Inventories of all kinds: read here, or by Ansible, with the result that Ansible has."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible import __version__ as ansible_version
from ansible.plugins.inventory import constructed, ini, toml, yaml

from onecard.errors import UsageError
from onecard.inventory import ansible
from onecard.inventory.load import Inventory, load
from onecard.inventory.origins import setting_values
from onecard.inventory.selection import select
from tests.support.ansible_support import PROGRAMS, ansible_lists, groups_of


def examples(text: str) -> list[str]:
    """Return the examples in the documentation of one of Ansible's plugins."""
    return [each for each in re.split(r"# Example \d+", text) if "\n" in each.strip()]


# The examples in ansible-core's own documentation (`ansible-doc -t inventory ini`).
PUBLIC = [
    *((".yml", text) for text in examples(yaml.EXAMPLES)),
    *((".ini", text) for text in examples(ini.EXAMPLES)),
    ("", examples(ini.EXAMPLES)[1]),
    *((".toml", text) for text in examples(toml.EXAMPLES)[:1]),
]
# Before 2.19, ansible-inventory ended with a traceback where a variable was a complex number.
AS_JSON_FAILS = tuple(map(int, ansible_version.split(".")[:2])) < (2, 19)
# What such files hold in the field.
FIELD = [
    (
        ".ini",
        """\
badwolf.example.com:5309
jumper ansible_port=5555 ansible_host=192.0.2.50 http_port=80
localhost ansible_connection=local

[gpu]
a100-[01:03] ansible_user=ubuntu ansible_become=yes serve='{"ctx": 65536}'
db-[a:c]-node ansible_ssh_private_key_file=/keys/aws.pem

[gpu:vars]
ansible_python_interpreter=/usr/bin/python3
ansible_ssh_common_args='-o ProxyCommand="ssh -W %h:%p -q jump@203.0.113.1" -o StrictHostKeyChecking=no'
value_complex=1j
nginx_port=80

[berlin:children]
gpu

[berlin:vars]
ansible_user=root
ansible_timeout=20
""",
    ),
    (
        ".yml",
        """\
x-common: &common
  ansible_user: ubuntu
  ansible_port: "2222"
all:
  hosts:
    a[01:10:3]: {<<: *common, released: 2024-01-01}
    b[a:c]:
      <<: *common
      ansible_become_method: sudo
      ports: {80: web, 443: tls}
      ansible_become_password: !vault |
        $ANSIBLE_VAULT;1.1;AES256
        3937
""",
    ),
]


def compare(sources: list[Path], ours: Inventory, home: Path) -> None:
    theirs = ansible_lists(sources, home)
    assert {name: set(hosts) for name, hosts in ours.groups.items() if hosts} == groups_of(theirs)
    for name, host in ours.hosts.items():
        variables = theirs["_meta"]["hostvars"].get(name, {})
        place = host.connection
        assert place.address == variables.get("ansible_host", name)
        assert place.port == (
            int(variables["ansible_port"]) if "ansible_port" in variables else None
        )
        assert place.user == variables.get("ansible_user", "")
        assert place.connect_timeout == float(variables.get("ansible_timeout", 15))
        key = variables.get("ansible_ssh_private_key_file")
        assert place.key_file == (Path(key) if key else None)


@pytest.mark.parametrize(("suffix", "text"), [*PUBLIC, *FIELD])
def test_the_same_hosts_groups_and_connections_as_in_ansible(
    suffix: str, text: str, tmp_path: Path
) -> None:
    source = tmp_path / f"hosts{suffix}"
    if AS_JSON_FAILS:
        text = text.replace("value_complex=1j\n", "")
    source.write_text(text)
    if (
        suffix == ".yml"
    ):  # Ansible refuses the password that is not a vault's; onecard leaves it alone
        plain = tmp_path / "plain" / "hosts.yml"
        plain.parent.mkdir()
        plain.write_text(re.sub(r"!vault \|\n.*\n.*\n", "x\n", text))
        compare([plain], load(source), tmp_path)
    else:
        compare([source], load(source), tmp_path)


def test_there_are_examples() -> None:
    assert len(PUBLIC) >= 5


def test_a_folder_of_several_sources_and_kinds(tmp_path: Path) -> None:
    root = tmp_path / "inventory"
    (root / "group_vars").mkdir(parents=True)
    (root / "10-static.yml").write_text("gpu: {hosts: {a: {region: berlin}, b: {}}}\n")
    (root / "20-groups.ini").write_text(
        "c\n[rented:children]\ngpu\n[rented:vars]\nansible_port = 2200\n"
    )
    program = root / "30-cloud.sh"
    program.write_text(
        '#!/bin/sh\necho \'{"gpu": {"hosts": ["d"], "vars": {"ansible_user": "ubuntu"}}}\'\n'
    )
    program.chmod(0o755)
    (root / "40-keyed.yml").write_text(
        "plugin: ansible.builtin.constructed\nkeyed_groups: [{prefix: '', separator: '', key: region}]\n"
    )
    (root / "group_vars" / "berlin.yml").write_text("serve: {ctx: 9000}\n")
    (root / "known_hosts").write_text("x\n")
    (root / "secrets.json").write_text("[]")
    (root / "hosts.yml~").write_text("- x")
    ours = load(root)
    # Ansible passes over .ini files in a folder unless it is told otherwise.
    sources = [
        root / name for name in ("10-static.yml", "20-groups.ini", "30-cloud.sh", "40-keyed.yml")
    ]
    compare(sources, ours, tmp_path)
    assert set(ours.hosts) == {"a", "b", "c", "d"}
    assert ours.groups["berlin"] == ("a",)
    assert ours.hosts["a"].settings.serve.ctx == 9000
    assert (ours.hosts["d"].connection.user, ours.hosts["a"].connection.port) == ("ubuntu", 2200)
    assert (
        ours.hosts["a"].connection.sources["port"]
        == "inventory/20-groups.ini: line 5: rented.vars.ansible_port"
    )


def test_templates_and_vaulted_values_are_those_of_ansible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = tmp_path / ".password"
    password.write_text("opensesame\n")

    def encrypted(text: str) -> str:
        words = ["ansible-vault", "encrypt_string", "--vault-password-file", password, text]
        done = subprocess.run(
            [PROGRAMS / words[0], *words[1:]], capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.replace("\n", "\n        ").rstrip() + "\n"

    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text("base: 4096\nserve: {ctx: '{{ base * 2 }}'}\n")
    (tmp_path / "hosts.yml").write_text(
        "all:\n  vars:\n    ansible_host: '{{ inventory_hostname }}.example.org'\n"
        "    packages: ['{{ tool }}', nvtop]\n    tool: htop\n    motd: '{{ undefined }}'\n"
        f"  hosts:\n    a:\n      ansible_user: {encrypted('secretuser')}"
        "    b:\n      ansible_host: 203.0.113.9\n    c:\n      tool: '{{ nothing }}'\n"
    )
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(password))
    inventory = load(tmp_path)
    hosts = inventory.hosts
    assert hosts["a"].connection.address == "a.example.org"
    assert hosts["a"].connection.user == "secretuser"
    assert hosts["a"].settings.packages == ("htop", "nvtop")
    assert hosts["b"].connection.address == "203.0.113.9"
    assert [host.settings.serve.ctx for host in hosts.values()] == [8192, 8192, 4096]
    shown = {row.path: row for row in setting_values(hosts["a"])}
    assert (shown["user"].hidden, shown["address"].hidden) == (True, False)
    assert str(shown["serve.ctx"].origin) == f"{tmp_path.name}/group_vars/all.yml: line 2"
    # One host without a value is refused alone, and when it is chosen.
    assert "'nothing' is undefined" in hosts["c"].refusal
    with pytest.raises(UsageError, match="nothing"):
        select(inventory, "c", {}, None)

    monkeypatch.delenv("ANSIBLE_VAULT_PASSWORD_FILE")
    hosts = load(tmp_path).hosts
    assert "ANSIBLE_VAULT_PASSWORD_FILE" in hosts["a"].refusal
    assert (hosts["b"].refusal, hosts["b"].settings.serve.ctx) == ("", 8192)


def test_a_vaulted_file_of_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    password = tmp_path / "password"
    password.write_text("opensesame\n")
    folder = tmp_path / "inventory"
    (folder / "host_vars").mkdir(parents=True)
    (folder / "hosts.yml").write_text("all: {hosts: {a: }}\n")
    (folder / "host_vars" / "a.yml").write_text(
        "# first\nport: 2022\nansible_become_pass: '{{ x }}'\n"
    )
    subprocess.run(
        [PROGRAMS / "ansible-vault", "encrypt", "--vault-password-file", password, folder / "host_vars" / "a.yml"],
        check=True, capture_output=True,
    )  # fmt: skip
    with pytest.raises(
        UsageError, match=r"^inventory/host_vars/a.yml: .*ANSIBLE_VAULT_PASSWORD_FILE"
    ):
        load(folder)
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(password))
    place = load(folder).hosts["a"].connection
    assert (place.port, place.sources["port"]) == (2022, "inventory/host_vars/a.yml: line 2: port")


def test_no_secret_is_a_word_of_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hosts.yml").write_text(
        "all: {hosts: {a: {packages: ['{{ x }}', !vault 'zzz'], x: htop, user: !vault 'yyy'}}}\n"
    )
    seen: list[list[str]] = []

    def run(command: list[str], shown: str, given: str = "", **_: Any) -> str:
        seen.append(command)
        return (
            f"plain-{given}"
            if command[0] == "ansible-vault"
            else 'a | SUCCESS => {"msg": {"0": "htop"}}'
        )

    monkeypatch.setattr(ansible, "_run", run)
    host = load(tmp_path).hosts["a"]
    assert (host.settings.packages, host.connection.user) == (("htop", "plain-zzz"), "plain-yyy")
    assert not any("plain-" in word for command in seen for word in command)


def test_without_ansible_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ansible.shutil, "which", lambda *_, **__: None)
    (tmp_path / "hosts.yml").write_text("all: {hosts: {a: {port: '{{ 1 }}'}, b: }}\n")
    hosts = load(tmp_path).hosts
    assert hosts["b"].refusal == ""
    assert hosts["a"].refusal == (
        f"{tmp_path.name}/hosts.yml: line 1: all.hosts.a.port: is read with Ansible, which is not "
        "installed here: pip install ansible-core, or write it as plain YAML"
    )
    (tmp_path / "hosts.ini").write_text("[gpu]\na\n")
    with pytest.raises(
        UsageError, match=r"hosts\.ini: is read with Ansible, which is not installed"
    ):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "cause"),
    [("[gpu\n", "hosts.ini"), ("[a:children]\nmissing\n", "missing"), ("[x:strange]\n", "strange")],
)
def test_what_ansible_cannot_read_either(text: str, cause: str, tmp_path: Path) -> None:
    (tmp_path / "hosts.ini").write_text(text)
    with pytest.raises(UsageError, match=cause) as caught:
        load(tmp_path)
    assert caught.value.message.startswith(f"{tmp_path.name}/hosts.ini: ansible-inventory: ")
    assert "\n" not in caught.value.message


def test_the_cause_as_older_releases_of_ansible_print_it() -> None:
    """What ansible-core 2.17 printed; its last line alone names no cause."""
    printed = (
        "[WARNING]:  * Failed to parse /tmp/a folder/hosts.ini with yaml plugin: YAML inventory has\n"
        "invalid structure\n"
        "[WARNING]:  * Failed to parse /tmp/a folder/hosts.ini\nwith ini plugin:\n"
        "/tmp/a folder/hosts.ini:2: Section [a:children] includes undefined\ngroup: missing\n"
        "[WARNING]: Unable to parse /tmp/a folder/hosts.ini as an inventory source\n"
        "ERROR! No inventory was parsed, please check your configuration and options.\n"
    )
    assert ansible._reason(printed) == (
        "/tmp/a folder/hosts.ini:2: Section [a:children] includes undefined group: missing"
    )


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ("{ansible_connection: local}", "ansible_connection: only ssh, "),
        ("{ansible_connection: winrm}", "not winrm"),
        ("{ansible_become_method: su}", "ansible_become_method: only sudo, "),
        ("{ansible_become_user: app}", "ansible_become_user: only root "),
    ],
)
def test_a_host_of_another_kind_is_refused_when_it_is_chosen(
    variables: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "hosts.yml").write_text(f"all: {{hosts: {{a: {variables}, b: }}}}\n")
    inventory = load(tmp_path)
    assert [host.name for host in select(inventory, "all:!a", {}, None).hosts] == ["b"]
    with pytest.raises(UsageError, match=message) as caught:
        select(inventory, "all", {}, None)
    assert caught.value.message.startswith(
        f"{tmp_path.name}/hosts.yml: line 1: all.hosts.a.ansible_"
    )


def test_variables_of_ones_own_are_passed_over_and_known(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(
        "all:\n  vars:\n    nginx_port: 80\n    environment: production\n    users: [a, b]\n"
        "    server: {listen: 80}\n    domain: example.org\n    ansible_remote_tmp: /tmp\n"
        "    since: 2024-01-01\n    blob: !!binary aGk=\n  hosts: {a: {nginx_port: 81}}\n"
    )
    inventory = load(tmp_path)
    assert inventory.hosts["a"].refusal == ""
    assert list(inventory.passed_over) == [
        "nginx_port", "environment", "users", "server", "domain", "ansible_remote_tmp", "since", "blob",
    ]  # fmt: skip
    assert str(inventory.passed_over["nginx_port"]) == f"{tmp_path.name}/hosts.yml: line 3"


def test_what_yaml_writers_produce(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(
        'x: &x {"ansible_port": "22", "serve": {"ctx": "65536", "gpu_memory_utilization": "0.9"}}\n'
        'all:\n  hosts:\n    1: *x\n    02: {become: "false"}\n    1.5: {<<: *x}\n'
    )
    hosts = load(tmp_path).hosts
    assert list(hosts) == ["1", "02", "1.5"]
    assert (hosts["1"].connection.port, hosts["1.5"].settings.serve.ctx) == (22, 65536)
    assert hosts["02"].connection.become is False


def test_the_constructed_example_is_read(tmp_path: Path) -> None:
    (tmp_path / "1.yml").write_text("all: {hosts: {web1: {architecture: arm}, db: }}\n")
    text = re.sub(r"(?m)^    ", "", constructed.EXAMPLES)
    (tmp_path / "2.yml").write_text(text)
    inventory = load(tmp_path)
    assert (inventory.groups["webservers"], inventory.groups["arch_arm"]) == (("web1",), ("web1",))


def test_lines_of_an_ini_file(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(
        "# first\nlone:2222 ansible_user=a\n\n[gpu]\na[1:2] ansible_host=x serve='{\"ctx\": 1}'\n"
        "a2 ansible_host=y\n[gpu:vars]\n; no\nuser = ubuntu\nnginx_port=80\n"
    )
    inventory = load(tmp_path)
    shown = f"{tmp_path.name}/hosts: line"
    lines = {name: host.connection.sources for name, host in inventory.hosts.items()}
    assert lines["lone"]["user"] == f"{shown} 2: all.hosts.lone.ansible_user"
    assert lines["a1"] == {
        "address": f"{shown} 5: all.hosts.a1.ansible_host", "user": f"{shown} 9: gpu.vars.user",
    }  # fmt: skip
    assert lines["a2"]["address"] == f"{shown} 6: all.hosts.a2.ansible_host"
    assert str(inventory.passed_over["nginx_port"]) == f"{shown} 10"
    (tmp_path / "hosts").write_text("a ansible_port=x\n")
    with pytest.raises(UsageError, match=rf'{shown} 1: all.hosts.a.ansible_port: "x" is not'):
        load(tmp_path)
