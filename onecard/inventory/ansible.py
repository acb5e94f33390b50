"""What only Ansible can read, by its own programs: sources, templates, vaulted texts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from onecard.errors import UsageError
from onecard.settings.yaml_file import ForeignValue

INSTALL: Final = "Ansible, which is not installed here: pip install ansible-core"
_TIMEOUT_S: Final = 120.0  # a dynamic source queries a cloud
_ENVIRONMENT: Final = {
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",  # otherwise such a source is a warning
    "ANSIBLE_STDOUT_CALLBACK": "minimal",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_FORCE_COLOR": "0",
    "LC_ALL": "C.UTF-8",  # Ansible runs in a UTF-8 locale only
}
_ANSWER = re.compile(r"^(\S+) \| (SUCCESS|FAILED!?) => ", re.MULTILINE)
_VAULTED = "__ansible_vault"


def list_inventory(sources: Sequence[Path], shown: str) -> Mapping[str, Any]:
    """Return what the last of some sources holds, in the shape of a YAML inventory.

    Earlier ones are read too: a `constructed` source builds on them. group_vars and host_vars are
    left out. Raises UsageError in one line that begins with `shown`.
    """
    words = [word for source in sources for word in ("-i", str(source))]
    # Without variable plugins, group_vars is left out.
    text = _run(["ansible-inventory", *words, "--list", "--export"], shown, ANSIBLE_VARS_ENABLED="")
    try:
        return _as_yaml(json.loads(text))
    except (ValueError, AttributeError, TypeError, LookupError) as error:
        raise UsageError(f"{shown}: ansible-inventory printed no inventory") from error


def decrypt(text: str, shown: str) -> str:
    """Return what a text encrypted with Ansible Vault holds. Raises UsageError."""
    return _run(["ansible-vault", "decrypt", "--output", "-"], shown, text)


def evaluate(
    sources: Sequence[Path], templates: Mapping[str, Sequence[Any]], shown: str
) -> dict[str, list[Any] | str]:
    """Expand templates with the variables that Ansible has for each host, in one run.

    templates: host -> texts. Returns the values in the same order, or in their place why there
    are none. Raises UsageError when Ansible does not run at all.
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for host, wanted in templates.items():
        alike[json.dumps(dict(enumerate(wanted)))].append(host)
    plays = [_play(hosts, json.loads(message)) for message, hosts in alike.items()]
    with TemporaryDirectory() as folder:
        playbook = Path(folder) / "templates.yml"
        playbook.write_text(json.dumps(plays), encoding="utf-8")
        words = [word for source in sources for word in ("-i", str(source))]
        text = _run(["ansible-playbook", *words, str(playbook)], shown, failing=True)
    answers = _answers(text)
    found: dict[str, list[Any] | str] = {}
    for host, wanted in templates.items():
        status, answer = answers.get(host, ("", {}))
        message = answer.get("msg") if isinstance(answer, dict) else None
        if status == "SUCCESS" and isinstance(message, dict):
            found[host] = [message[str(at)] for at in range(len(wanted))]
        else:
            found[host] = _line(str(message or "Ansible does not know the host"))
    return found


def _play(hosts: Sequence[str], message: Mapping[str, str]) -> Mapping[str, Any]:
    # A play whose hosts all fail would end the run.
    task = {"ansible.builtin.debug": {"msg": message}, "ignore_errors": True}
    return {"hosts": list(hosts), "gather_facts": False, "tasks": [task]}


def _answers(text: str) -> dict[str, tuple[str, Any]]:
    found = {}
    for match in _ANSWER.finditer(text):
        try:
            answer, _ = json.JSONDecoder().raw_decode(text, match.end())
        except ValueError:
            continue
        found[match[1]] = (match[2], answer)
    return found


def _run(
    command: Sequence[str], shown: str, given: str = "", *, failing: bool = False, **extra: str
) -> str:
    """Return a program's output. failing: also where it exits with another code than 0."""
    program = shutil.which(
        command[0], path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    )
    if program is None:
        raise UsageError(f"{shown}: is read with {INSTALL}, or write it as plain YAML")
    try:
        done = subprocess.run(
            [program, *command[1:]],
            input=given,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, **_ENVIRONMENT, **extra},
        )
    except subprocess.TimeoutExpired:
        raise UsageError(f"{shown}: {command[0]} took longer than {_TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise UsageError(f"{shown}: {command[0]}: {error.strerror}") from error
    if done.returncode and not (failing and _ANSWER.search(done.stdout)):
        raise UsageError(f"{shown}: {command[0]}: {_reason(done.stderr)}")
    return done.stdout


# The cause stands on the next lines, wrapped; its last line of all names none.
_BEFORE_2_19: Final = re.compile(
    r"Failed to parse (?:(?!\[WARNING).)+?\swith\s\w+\splugin:\s(.+?)(?=\n\[WARNING|\nERROR!|\Z)",
    re.DOTALL,
)


def _reason(errors: str) -> str:
    """Return the line of Ansible's messages that names the cause."""
    if "vault" in errors.lower() or "decrypt" in errors.lower():
        return (
            "no password opens it; name its file in ANSIBLE_VAULT_PASSWORD_FILE, or in ansible.cfg"
        )
    plugins = re.findall(r"Failed to parse inventory with '\w+' plugin: (.+)", errors)
    plugins += _BEFORE_2_19.findall(errors)
    plain = re.findall(r"\[(?:ERROR|FATAL)\]: (.+)", errors) or errors.strip().splitlines()[-1:]
    return _line((plugins or plain or ["failed without a message"])[-1])


def _line(text: str) -> str:
    """Return a message as one short line."""
    plain = " ".join(text.split())
    return "".join(each if each.isprintable() else "?" for each in plain)[:300]


def _as_yaml(listed: Mapping[str, Any]) -> Mapping[str, Any]:
    """Turn the output of `--list --export` into groups with hosts, children and vars."""
    of_hosts = listed["_meta"]["hostvars"]
    groups: dict[str, Any] = {"all": {"hosts": {}}}
    for name, body in listed.items():
        if name == "_meta":
            continue
        group = groups.setdefault(name, {})
        for host in body.get("hosts", ()):
            groups["all"]["hosts"].setdefault(host, _plain(of_hosts.get(host) or {}))
        if name != "all":
            group["hosts"] = dict.fromkeys(body.get("hosts", ()))
        group["children"] = dict.fromkeys(body.get("children", ()))
        group["vars"] = _plain(body.get("vars") or {})
    return groups


def _plain(value: Any) -> Any:
    """Return a value of Ansible's JSON with its vaulted texts marked as such."""
    if isinstance(value, dict):
        if isinstance(value.get(_VAULTED), str):
            text = ForeignValue(value[_VAULTED])
            text.tag = "!vault"
            return text
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
