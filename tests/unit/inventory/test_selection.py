"""Which hosts a command is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.errors import UsageError
from onecard.inventory.load import Inventory, load
from onecard.inventory.selection import read_pin, select, write_pin

HOSTS = """
all:
  children:
    gpu:
      vars: {user: renter, port: 2200, serve: {ctx: 8192}}
      hosts: {a1: , a2: , b1: }
    sandbox:
      hosts: {box: }
    idle:
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    return of(tmp_path, HOSTS)


def of(folder: Path, text: str) -> Inventory:
    (folder / "hosts.yml").write_text(text)
    return load(folder)


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ("a2", "a2"),
        ("gpu", "a1 a2 b1"),
        ("all", "a1 a2 b1 box"),
        ("box, a1", "a1 box"),
        ("a*", "a1 a2"),
        ("?1", "a1 b1"),
        ("gpu,a1,[ab]1", "a1 a2 b1"),
        ("root@203.0.113.9,a1", "a1 root@203.0.113.9"),
        ("all:!a1", "a2 b1 box"),
        ("all,!gpu", "box"),
        ("!a*", "b1 box"),
        ("gpu:&b*", "b1"),
        ("gpu:box:!a2", "a1 b1 box"),
        ("@failed", "b1"),
        ("all:!@failed", "a1 a2 box"),
    ],
)
def test_requested(inventory: Inventory, requested: str, expected: str) -> None:
    failed = lambda: {"b1", "gone"}  # noqa: E731
    selection = select(inventory, requested, {"ONECARD_HOST": "b1"}, "b1", failed=failed)
    assert [host.name for host in selection.hosts] == expected.split()
    assert selection.reason == f"--host {requested}"


@pytest.mark.parametrize(
    ("requested", "address", "port", "user"),
    [
        ("root@203.0.113.9", "203.0.113.9", 2200, "root"),
        ("root@203.0.113.9:22", "203.0.113.9", 22, "root"),
        ("root@alias", "alias", 2200, "root"),
        ("root@[2001:db8::1]:22", "2001:db8::1", 22, "root"),
        ("root@2001:db8::1", "2001:db8::1", 2200, "root"),
        ("[2001:db8::1]:22", "2001:db8::1", 22, "renter"),
    ],
)
def test_a_box_in_no_file_is_a_rental(
    inventory: Inventory, requested: str, address: str, port: int, user: str
) -> None:
    (host,) = select(inventory, requested, {}, None).hosts
    assert (host.connection.address, host.connection.port, host.connection.user) == (
        address,
        port,
        user,
    )
    assert (host.name, host.groups, host.settings.serve.ctx) == (requested, ("gpu",), 8192)


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ("a3", '--host: there is no host or group a3; did you mean "a'),
        (
            "a3",
            "hosts: a1, a2, b1, box; groups: all, gpu, sandbox; for a box in no file pass user@address",
        ),
        ("203.0.113.9", "there is no host or group 203.0.113.9"),
        ("z*", "there is no host or group z*"),
        ("idle", "group idle has no hosts"),
        ("", "no host is named"),
        (",", "no host is named"),
        ("root@", "is not user@address[:port]"),
        ("@a", "is not user@address[:port]"),
        ("root@-oProxyCommand=x", "is not user@address[:port]"),
        ("-x@203.0.113.9", "is not user@address[:port]"),
        ("root@203.0.113.9:x", "is not user@address[:port]"),
        ("root@203.0.113.9:0", "a port is a number from 1 to 65535"),
        ("root@a1", "a1 is a host of the inventory; pass --host a1"),
    ],
)
def test_a_wrong_request(inventory: Inventory, requested: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(inventory, requested, {}, None)
    assert expected in caught.value.message
    assert "\n" not in caught.value.message


def test_order_of_the_sources(inventory: Inventory) -> None:
    by_environment = select(inventory, None, {"ONECARD_HOST": "a1"}, "b1")
    assert ([h.name for h in by_environment.hosts], by_environment.reason) == (
        ["a1"],
        "ONECARD_HOST=a1",
    )
    by_pin = select(inventory, None, {"ONECARD_HOST": ""}, "b1")
    assert ([h.name for h in by_pin.hosts], by_pin.reason) == (["b1"], "pinned by `invoke use`")


def test_the_only_host(tmp_path: Path) -> None:
    selection = select(of(tmp_path, "sandbox: {hosts: {box: }}\n"), None, {}, None)
    assert ([h.name for h in selection.hosts], selection.reason) == (
        ["box"],
        "the only host in the inventory",
    )


def test_never_a_guess(inventory: Inventory) -> None:
    with pytest.raises(UsageError, match=r"which host\?.*hosts: a1, a2, b1, box"):
        select(inventory, None, {}, None)


def test_no_host_at_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the inventory has none.*sandbox\.up"):
        select(load(tmp_path), None, {}, None)


@pytest.mark.parametrize(
    ("environment", "pinned", "expected"),
    [
        ({"ONECARD_HOST": "gone"}, None, "ONECARD_HOST: there is no host or group gone"),
        ({}, "gone", "`invoke use`: there is no host or group gone"),
    ],
)
def test_a_chosen_host_that_is_gone(
    inventory: Inventory, environment: dict, pinned: str | None, expected: str
) -> None:
    with pytest.raises(UsageError) as caught:
        select(inventory, None, environment, pinned)
    assert expected in caught.value.message
    assert ("invoke use -" in caught.value.message) == (pinned is not None)


def test_a_name_that_is_a_host_and_a_group(tmp_path: Path) -> None:
    same = of(tmp_path, "box: {hosts: {box: }}\n")
    assert [host.name for host in select(same, "box", {}, None).hosts] == ["box"]
    more = of(tmp_path, "box: {hosts: {box: , other: }}\n")
    with pytest.raises(UsageError, match="box is a host and a group of others"):
        select(more, "box", {}, None)


def test_pin(tmp_path: Path) -> None:
    assert read_pin(tmp_path) is None
    write_pin(tmp_path, "a1")
    assert read_pin(tmp_path) == "a1"
    assert (tmp_path / ".onecard" / "host").read_text() == "a1\n"
    write_pin(tmp_path, "-")
    write_pin(tmp_path, "")
    assert read_pin(tmp_path) is None


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ("all:!all", "leaves no host"),
        ("gpu:&box", "leaves no host"),
        ("@failed", "leaves no host"),
        ("all:!a9", "there is no host or group a9"),
        ("\x1b", "has a control character"),
    ],
)
def test_a_pattern_that_leaves_none(inventory: Inventory, requested: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        select(inventory, requested, {}, None)


def test_a_limit_narrows_each_way_of_choosing(inventory: Inventory) -> None:
    chosen = select(inventory, "gpu", {}, None, limit="a*")
    assert [host.name for host in chosen.hosts] == ["a1", "a2"]
    assert chosen.reason == "--host gpu, --limit a*"
    chosen = select(inventory, None, {"ONECARD_HOST": "all"}, None, limit="!gpu")
    assert [host.name for host in chosen.hosts] == ["box"]
    chosen = select(inventory, None, {}, None, limit="a1")
    assert ([host.name for host in chosen.hosts], chosen.reason) == (["a1"], "--limit a1")
