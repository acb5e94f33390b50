"""Every mistake in an inventory is one line with the file and the path to the key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from onecard.errors import UsageError
from onecard.inventory.load import load

NO_TOKENS = "not a number of tokens of at least 1, such as 65536, 128k or 1M"


def message(root: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load(root)
    assert "\n" not in caught.value.message
    return caught.value.message


def write(folder: Path, files: dict[str, str]) -> Path:
    root = folder / "inventory"
    for name, text in {"hosts.yml": "all: {hosts: {box: {}}}\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


BOX = "all:\n  children:\n    gpu:\n      hosts:\n        box:\n          "
AT_BOX = "inventory/hosts.yml: line 6: all.children.gpu.hosts.box"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("serv: {ctx: 1}", f'{AT_BOX}.serv: no such setting; did you mean "serve"?'),
        ("serve: {ctxx: 1}", f'{AT_BOX}.serve.ctxx: no such setting; did you mean "ctx"?'),
        ("ctx: 1", f'{AT_BOX}.ctx: no such setting; did you mean "serve.ctx"?'),
        (
            "ansible_hots: x",
            f'{AT_BOX}.ansible_hots: no such setting; did you mean "ansible_host"?',
        ),
        ("serve: {address: x y}", f'{AT_BOX}.serve.address: "x y": is not an IP address'),
        ("serve: {ctx: 64q}", f'{AT_BOX}.serve.ctx: "64q": is {NO_TOKENS}'),
        ("serve: {ctx: 4096.0}", f"{AT_BOX}.serve.ctx: 4096.0 is not a whole number"),
        ("serve: {ctx: true}", f"{AT_BOX}.serve.ctx: true is not a whole number"),
        ("serve: {ctx: }", f"{AT_BOX}.serve.ctx: has no value; it must be a whole number"),
        ("serve: {ctx: 0}", f"{AT_BOX}.serve.ctx: 0 is less than 1"),
        (
            "serve: {gpu_memory_utilization: .nan}",
            f"{AT_BOX}.serve.gpu_memory_utilization: NaN is not a finite number",
        ),
        (
            "serve: {kv_cache_gib: .inf}",
            f"{AT_BOX}.serve.kv_cache_gib: Infinity is not a finite number",
        ),
        (
            "serve: {gpu_memory_utilization: 1.5}",
            f"{AT_BOX}.serve.gpu_memory_utilization: 1.5 is more than 1.0",
        ),
        (
            "serve: {enforce_eager: 'yes'}",
            f'{AT_BOX}.serve.enforce_eager: "yes" is not true or false',
        ),
        ("serve: {extra_args: --x}", f'{AT_BOX}.serve.extra_args: "--x" is not a list'),
        (
            "serve: {extra_args: [--x, 1]}",
            f"{AT_BOX}.serve.extra_args[1]: 1 is not text; put it in quotes",
        ),
        (
            "serve: {extra_args: [--seed, '0', --api-key=hunter2]}",
            f"{AT_BOX}.serve.extra_args[2]: --api-key: a secret here could be read by everybody on "
            "the box; take it out, then: invoke secret set --name api-key",
        ),
        (
            "serve: {environment: {HF_TOKEN: hunter2}}",
            f"{AT_BOX}.serve.environment: HF_TOKEN looks like a secret, which no setting holds; "
            "see invoke --help secret",
        ),
        (
            "serve: {environment: {OMP_NUM_THREADS: 4}}",
            f"{AT_BOX}.serve.environment.OMP_NUM_THREADS: 4 is not text; put it in quotes",
        ),
        ("serve: {environment: x}", f'{AT_BOX}.serve.environment: "x" is not a mapping'),
        ("serve: 3", f"{AT_BOX}.serve: 3 is not a mapping of settings"),
        ("vllm: {version: 0.32}", f"{AT_BOX}.vllm.version: 0.32 is not text; put it in quotes"),
        ("accelerator: tpu", f'{AT_BOX}.accelerator: "tpu" is not nvidia or cpu'),
        ("ansible_port: 70000", f"{AT_BOX}.ansible_port: 70000 is more than 65535"),
        ("connect_timeout: 0", f"{AT_BOX}.connect_timeout: 0 is not more than 0.0"),
        (
            "ansible_ssh_common_args: -F other",
            f'{AT_BOX}.ansible_ssh_common_args: "-F other": -F is not supported here; write it in ~/.ssh/config',
        ),
        (
            "ansible_ssh_common_args: -o ProxyJump",
            f'{AT_BOX}.ansible_ssh_common_args: "-o ProxyJump": "ProxyJump" is not an option of ssh such as ProxyJump=HOST',
        ),
        (
            "{address: a, ansible_host: b}",
            f"{AT_BOX}.ansible_host: differs from address, the same setting; remove one",
        ),
        (
            "vllm: {version: 2024-01-01}",
            f"{AT_BOX}.vllm.version: a date is not a setting; if text is meant, put it in quotes",
        ),
        (
            "packages: [htop, 2024-01-01]",
            f"{AT_BOX}.packages: a date is not a setting; if text is meant, put it in quotes",
        ),
        ("modle: {name: x}", f'{AT_BOX}.modle: no such setting; did you mean "model"?'),
        ("Serve: {ctx: 1}", f'{AT_BOX}.Serve: no such setting; did you mean "serve"?'),
        ("key-file: x", f'{AT_BOX}.key-file: no such setting; did you mean "key_file"?'),
        (
            "max_num_seqs: 3",
            f'{AT_BOX}.max_num_seqs: no such setting; did you mean "serve.max_num_seqs"?',
        ),
        (
            "model: {source: ''}",
            f'{AT_BOX}.model.source: "": is neither a repository of the hub, such as '
            "Qwen/Qwen3.5-27B, nor a folder beginning with ./ or /",
        ),
        (
            "model: {source: 'Qwen//bad name'}",
            f'{AT_BOX}.model.source: "Qwen//bad name": is neither a repository of the hub, such as '
            "Qwen/Qwen3.5-27B, nor a folder beginning with ./ or /",
        ),
        (
            "{serve: {ctx: x}, vllm: {channel: y}}",
            f'{AT_BOX}.vllm.channel: "y" is not nightly, release or commit (and 1 more)',
        ),
    ],
)
def test_a_wrong_setting(line: str, expected: str, tmp_path: Path) -> None:
    assert message(write(tmp_path, {"hosts.yml": BOX + line + "\n"})) == expected


@pytest.mark.parametrize(
    ("key", "variable"),
    [
        ("ansible_password", "ONECARD_SSH_PASSWORD"),
        ("ansible_ssh_pass", "ONECARD_SSH_PASSWORD"),
        ("ansible_become_password", "ONECARD_SUDO_PASSWORD"),
    ],
)
def test_a_password_in_a_file_is_refused_and_not_shown(
    key: str, variable: str, tmp_path: Path
) -> None:
    reported = message(write(tmp_path, {"hosts.yml": f"{BOX}{key}: hunter2\n"}))
    assert reported.startswith(f"{AT_BOX}.{key}: passwords are not read from files")
    assert variable in reported
    assert "hunter2" not in reported


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all: [\n", "inventory/hosts.yml: line 2, column 1: "),
        (
            "all:\n\thosts:\n",
            "inventory/hosts.yml: line 2, column 1: a tab; YAML is indented with spaces",
        ),
        (
            "all:\n  vars: {}\n  vars: {}\n",
            'inventory/hosts.yml: line 3, column 3: the key "vars" appears twice',
        ),
        ("- a\n", "inventory/hosts.yml: the top level must be a mapping"),
        (
            "all: {hosts: {[1]: {}}}\n",
            "inventory/hosts.yml: line 1, column 15: the key list or mapping is not text",
        ),
        (
            "$ANSIBLE_VAULT;1.1;AES256\n3937\n",
            "inventory/hosts.yml: ansible-vault: no password opens it",
        ),
        (
            "all: {vars: {user: !!python/name:os.system x}}\n",
            "inventory/hosts.yml: line 1: all.vars.user: the tag !!python",
        ),
        (
            "all: {vars: {user: 2024-01-01}}\n",
            "inventory/hosts.yml: line 1: all.vars.user: a date is not a setting",
        ),
        (
            "all: &a {vars: *a}\n",
            "inventory/hosts.yml: line 1, column 6: an alias that contains itself",
        ),
        ("all: {vars: " + "[" * 2000 + "]" * 2000 + "}\n", "inventory/hosts.yml: "),
        (
            "all: {vars: {user: !!int x}}\n",
            "inventory/hosts.yml: holds a value that YAML cannot read",
        ),
        ("a: {}\n---\nb: {}\n", "inventory/hosts.yml: line 2, column 1: "),
        (
            "all: {host: {}}\n",
            'inventory/hosts.yml: all.host: no such part of a group; did you mean "hosts"?',
        ),
        ("all: {hosts: [a]}\n", "inventory/hosts.yml: all.hosts: must be a mapping"),
        ("all: {hosts: {'a[3:1]': }}\n", "inventory/hosts.yml: all.hosts.a[3:1]: the range"),
        (
            "a: {children: {b: }}\nb: {children: {a: }}\n",
            "the inventory's groups form a cycle: a -> b -> a",
        ),
        (
            "a: {vars: {ansible_group_priority: x}}\n",
            "inventory/hosts.yml: a.vars.ansible_group_priority: is not",
        ),
    ],
)
def test_a_wrong_file(text: str, expected: str, tmp_path: Path) -> None:
    assert message(write(tmp_path, {"hosts.yml": text})).startswith(expected)


@pytest.mark.parametrize("joint", ["", "<<: "])
def test_an_alias_bomb_ends_at_once(joint: str, tmp_path: Path) -> None:
    lines = ["a0: &a0 {x: 1, y: 2}"]
    for level in range(1, 40):
        inner = f"[*a{level - 1}, *a{level - 1}, *a{level - 1}]"
        lines.append(f"a{level}: &a{level} " + (f"{{<<: {inner}}}" if joint else inner))
    assert "aliases stand for more than" in message(
        write(tmp_path, {"hosts.yml": "\n".join(lines)})
    )


def test_not_utf_8(tmp_path: Path) -> None:
    root = write(tmp_path, {})
    (root / "hosts.yml").write_bytes(b"all: \xff\xfe\n")
    assert message(root).startswith("inventory/hosts.yml: is not UTF-8 text")


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    root = tmp_path / "inventory"
    (root / "hosts.yml").mkdir(parents=True)
    assert message(root) == "inventory/hosts.yml: cannot be read: Is a directory"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "host_vars/box.yml",
            f'inventory/host_vars/box.yml: line 1: serve.ctx: "64q": is {NO_TOKENS}',
        ),
        (
            "group_vars/all.yml",
            f'inventory/group_vars/all.yml: line 1: serve.ctx: "64q": is {NO_TOKENS}',
        ),
        (
            "group_vars/nobody/a.yml",
            f'inventory/group_vars/nobody/a.yml: line 1: serve.ctx: "64q": is {NO_TOKENS}',
        ),
    ],
)
def test_the_layer_with_the_bad_value_is_named_even_if_overridden(
    name: str, expected: str, tmp_path: Path
) -> None:
    root = write(tmp_path, {name: "serve: {ctx: 64q}\n", "host_vars/zz.yml": "serve: {ctx: 1}\n"})
    assert message(root) == expected


def test_two_places_for_one_group(tmp_path: Path) -> None:
    root = write(tmp_path, {"group_vars/gpu.yml": "", "group_vars/gpu/a.yml": ""})
    assert "both hold the variables of gpu" in message(root)


def test_backups_and_foreign_files_are_no_concern(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "host_vars/box.yml~": "- x",
            "host_vars/.box.yml.swp": "- x",
            "host_vars/README.md": "- x",
        },
    )
    assert list(load(root).hosts) == ["box"]


def test_a_dot_in_a_host_name(tmp_path: Path) -> None:
    files = {
        "hosts.yml": "all: {hosts: {a.example.com: }}\n",
        "host_vars/a.example.com": "port: 22\n",
    }
    assert load(write(tmp_path, files)).hosts["a.example.com"].connection.port == 22


def test_the_inventory_may_be_named_relative_to_the_current_folder(tmp_path: Path) -> None:
    root = write(tmp_path, {"hosts.yml": "all: {hosts: {box: {key_file: keys/a}}}\n"})
    before = Path.cwd()
    os.chdir(root)
    try:
        assert load(Path()).hosts["box"].connection.key_file == tmp_path / "keys" / "a"
    finally:
        os.chdir(before)
