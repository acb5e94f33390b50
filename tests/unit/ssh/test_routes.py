"""How a host is reached, compared with `ssh -G`: public cases, and configurations made at random."""

from __future__ import annotations

import getpass
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from invoke import Context

import tasks
from onecard.errors import UsageError
from onecard.inventory.host import Host
from onecard.reference.documents_schema import check
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.doors.choose import beyond_paramiko
from onecard.ssh.openssh import client
from onecard.ssh.openssh.route import Route, resolve

CASES = Path(__file__).parents[1] / "fixtures" / "ssh"
ME = getpass.getuser()

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh here")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return tmp_path


def route(monkeypatch: pytest.MonkeyPatch, file: Path, alias: str, **inventory: Any) -> Route:
    monkeypatch.setenv("ONECARD_SSH_CONFIG", str(file))
    return resolve(Host("box1", Connection(alias, **inventory), Settings()))


def places(found: Route) -> list[str]:
    return [f"{each.login}:{each.port}" for each in (*found.via, found)]


PUBLIC = [
    ("d32-sshcfg-two-jumps-order.conf", "HOST_C", ["HOST_A:22", "HOST_B:22", "HOST_C:22"]),
    ("d34-sshcfg-wildcard-jump-none.conf", "gpu", ["sysadmin@jump.example.net:80", "gpu:22"]),
    ("d34-sshcfg-wildcard-jump-none.conf", "jump.example.net", ["jump.example.net:22"]),
]


@pytest.mark.parametrize("with_client", [True, False])
@pytest.mark.parametrize(("file", "alias", "expected"), PUBLIC)
def test_public_cases(
    file: str, alias: str, expected: list[str], with_client: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_client:
        monkeypatch.setattr(client, "installed", lambda: False)
    found = places(route(monkeypatch, CASES / file, alias))
    wanted = [each if "@" in each else f"{ME}@{each}" for each in expected]
    assert [each.lower() for each in found] == [each.lower() for each in wanted]


def test_options_of_the_inventory_are_flags_of_ssh() -> None:
    place = Connection("h", ssh_options=("ProxyCommand=nc %h %p", "ConnectTimeout=7"))
    route = resolve(Host("h", place, Settings()))
    assert route.proxy_command == "nc %h %p"
    assert route.number("connecttimeout") == 7


def test_an_include_is_followed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (CASES / "d30-sshcfg-include.conf").read_text().splitlines()
    included = [line.removeprefix("# ") for line in lines[2:]]
    (home / "config.d").mkdir()
    (home / "config.d" / "gpu").write_text("\n".join(included) + "\n")
    # A name that is not absolute is searched for in ~/.ssh, whichever file is read.
    (home / "config").write_text(lines[0].replace("config.d", f"{home}/config.d") + "\n")
    found = route(monkeypatch, home / "config", "gpu1")
    assert places(found) == [f"{ME}@bastion:22", "ubuntu@192.0.2.9:2222"]
    monkeypatch.setattr(client, "installed", lambda: False)
    found = route(monkeypatch, home / "config", "gpu1")
    assert found.notes == (
        f"{home}/config line 1: `Include {home}/config.d/*` needs the ssh program, and none is "
        "installed here",
    )


@pytest.mark.parametrize(
    ("jump", "hops"),
    [
        ("ann@gate:2200", ["ann@gate:2200"]),
        ("ssh://ann@gate:2200", ["ann@gate:2200"]),
        ("[2001:db8::1]:2200", [f"{ME}@2001:db8::1:2200"]),
        ("ann@[2001:db8::1],gate", ["ann@2001:db8::1:22", f"{ME}@gate:22"]),
        ("near,middle:23,far", [f"{ME}@near:22", f"{ME}@middle:23", f"{ME}@far:22"]),
        ("none", []),
        ("alias", [f"{ME}@first:22", "bob@203.0.113.7:2022"]),
    ],
)
@pytest.mark.parametrize("with_client", [True, False])
def test_forms_of_a_jump_host(
    jump: str, hops: list[str], with_client: bool, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not with_client:
        monkeypatch.setattr(client, "installed", lambda: False)
    config = home / "config"
    config.write_text(
        "Host alias\n  HostName 203.0.113.7\n  User bob\n  Port 2022\n  ProxyJump first\n"
        "Host box\n  ProxyJump gate-of-the-config\n"
    )
    assert places(route(monkeypatch, config, "box", proxy_jump=jump))[:-1] == hops


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Host *\n  ProxyJump gate\n", "circle"),
        ("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n", "circle"),
        ("Nonsense yes\n", "ssh refuses its configuration"),
    ],
)
def test_a_configuration_that_leads_nowhere(
    text: str, words: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config").write_text(text)
    with pytest.raises(UsageError) as caught:
        route(monkeypatch, home / "config", "a")
    assert words in caught.value.message or "jumphost loop" in caught.value.message
    assert caught.value.message.startswith("box1: ")
    with pytest.raises(UsageError, match=r"ONECARD_SSH_CONFIG: .*none is not a file"):
        route(monkeypatch, home / "none", "a")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CertificateFile ~/c-cert.pub", "certificatefile"),
        ("IdentityAgent ~/agent", "identityagent"),
        ("IdentityAgent none", ""),
        ("IdentityFile %d/%C", "the token %C"),
        ("PKCS11Provider /usr/lib/p11.so", "pkcs11provider"),
        ("ProxyCommand nc %h %p", ""),
        ("ProxyCommand corp %C", "the token %C"),
        ("IdentitiesOnly yes", ""),
    ],
)
def test_what_is_left_to_ssh(
    text: str, reason: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config").write_text(f"Host *\n  {text}\n")
    found = route(monkeypatch, home / "config", "box")
    host = Host("box1", Connection("box"), Settings())
    said = beyond_paramiko(host, found, home / "known_hosts")
    assert said.startswith(reason) if reason else said == ""


# ---- configurations made at random ------------------------------------------------------------

NAMES = ("gpu1", "gpu2", "gate", "inner.example.com", "10.0.0.9")
name = st.sampled_from(NAMES)
hop = st.builds(
    lambda user, host, port: f"{user}{host}{port}",
    st.sampled_from(["", "ann@", "ssh://bob@"]),
    name,
    st.sampled_from(["", ":2200"]),
)
option = st.one_of(
    st.sampled_from(["192.0.2.9", "%h.example.com", "box.internal"]).map("HostName {}".format),
    st.sampled_from(["ubuntu", "root", "ann"]).map("User {}".format),
    st.sampled_from([22, 2222, 40022]).map("Port {}".format),
    st.lists(hop, min_size=1, max_size=3).map(
        lambda hops: f"ProxyJump {','.join(each.replace('ssh://', '') for each in hops)}"
    ),
    st.just("ProxyJump none"),
    st.just("ProxyCommand nc %h %p"),
    st.sampled_from(["~/.ssh/one", "~/.ssh/%h_%r", "/k/two"]).map("IdentityFile {}".format),
    st.just("HostKeyAlias known-as"),
    st.just("StrictHostKeyChecking accept-new"),
)
head = st.one_of(
    st.lists(st.sampled_from([*NAMES, "gpu*", "*.example.com", "!gate", "?pu1", "*"]), min_size=1)
    .map(lambda patterns: "Host " + " ".join(patterns)),
    st.sampled_from(["Match host gpu*", "Match user ann", "Match originalhost gate", "Match all"]),
)  # fmt: skip
block = st.builds(lambda first, rest: "\n  ".join([first, *rest]), head, st.lists(option))
inventory = st.fixed_dictionaries(
    {
        "port": st.sampled_from([None, 2022]),
        "user": st.sampled_from(["", "admin"]),
        "proxy_jump": st.one_of(st.just(""), st.just("none"), hop),
    }
)


def judged(config: Path, flags: list[str], alias: str) -> dict[str, list[str]] | None:
    """Return what `ssh -G` prints, None where it refuses."""
    words = ["ssh", "-F", config, "-T", "-G", *flags, alias]
    done = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        return None
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value)
    return found


def judged_hops(config: Path, found: dict[str, list[str]], depth: int = 0) -> Iterator[list[str]]:
    """Yield the hops as ssh takes them: the last of a list is reached through those before it."""
    if "proxyjump" not in found or depth > 20:
        return
    *before, last = found["proxyjump"][0].split(",")
    user, _, place = last.removeprefix("ssh://").rpartition("@")
    host, _, port = place.partition(":")
    flags = [*(["-l", user] if user else []), *(["-p", port] if port else [])]
    flags += ["-J", ",".join(before)] if before else []
    inner = judged(config, flags, host.strip("[]"))
    assert inner is not None
    yield from judged_hops(config, inner, depth + 1)
    yield [inner["hostname"][0], inner["port"][0], inner["user"][0]]


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
@given(blocks=st.lists(block, max_size=5), alias=name, given_=inventory)
def test_hosts_shows_what_ssh_would_do(
    blocks: list[str],
    alias: str,
    given_: dict[str, Any],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config, folder = home / "config", home / "inventory"
    config.write_text("\n".join(blocks) + "\n")
    folder.mkdir(exist_ok=True)
    variables = {"address": alias, **{key: value for key, value in given_.items() if value}}
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": {"box1": variables}}}))
    monkeypatch.setenv("ONECARD_INVENTORY", str(folder))
    monkeypatch.setenv("ONECARD_SSH_CONFIG", str(config))
    flags = ["-p", str(given_["port"])] if given_["port"] else []
    flags += ["-l", given_["user"]] if given_["user"] else []
    flags += ["-J", given_["proxy_jump"]] if given_["proxy_jump"] else []
    judge = judged(config, flags, alias)
    try:
        tasks.namespace["hosts"](Context(), host="box1", json=True)
    except Exception as ended:  # the task's own exit
        assert getattr(ended, "code", None) == 2
        capsys.readouterr()
        hops = [] if judge is None else _hops_or_none(config, judge)
        assert judge is None or hops is None or len(hops) > 8
        reject()  # 80 that ssh accepts are compared
    printed = capsys.readouterr().out
    check("hosts", printed)
    (row,) = json.loads(printed)["hosts"]
    assert judge is not None
    assert [row["address"], str(row["port"]), row["user"]] == [
        judge[key][0] for key in ("hostname", "port", "user")
    ]
    assert [[hop["address"], str(hop["port"]), hop["user"]] for hop in row["hops"]] == list(
        judged_hops(config, judge)
    )
    assert row["proxy_command"] == judge.get("proxycommand", [""])[0]
    assert row["host_key_name"] == _key_name(judge)
    assert row["sources"]["port"].startswith(
        "inventory/hosts.yml: line 1" if given_["port"] else (str(config), "default")
    )


def _hops_or_none(config: Path, judge: dict[str, list[str]]) -> list[list[str]] | None:
    try:
        return list(judged_hops(config, judge))
    except AssertionError:
        return None


def _key_name(judge: dict[str, list[str]]) -> str:
    if "hostkeyalias" in judge:
        return judge["hostkeyalias"][0]
    address, port = judge["hostname"][0], judge["port"][0]
    return address if port == "22" else f"[{address}]:{port}"
