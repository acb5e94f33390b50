"""What the sandbox writes into the inventory, and where it finds a free network."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from onecard.errors import SandboxError, UsageError
from onecard.inventory.load import load
from onecard.sandbox import Box, box_names
from onecard.sandbox.common.entries import Entry, merge_known_hosts, write_entries
from onecard.sandbox.common.names import Labels
from onecard.sandbox.nspawn.network import ruleset
from onecard.sandbox.nspawn.subnet import choose_subnet, next_host, parse_routes, parse_servers


def box(name: str, address: str, port: int = 22) -> Box:
    return Box(name, address, port, "admin", Path(f"/keys/{name}"), "running", "nspawn")


ONE = Entry(box("one", "10.1.2.10"), "ssh-ed25519 AAAAone")
TWO = Entry(box("two", "127.0.0.1", 40022), "ssh-ed25519 AAAAtwo")


def test_the_inventory_reads_what_the_sandbox_writes(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("all:\n")
    write_entries(tmp_path, [ONE, TWO])
    hosts = load(tmp_path).hosts
    assert {name: host.groups for name, host in hosts.items()} == {
        "one": ("sandbox",),
        "two": ("sandbox",),
    }
    connection = hosts["two"].connection
    assert (connection.address, connection.port, connection.user, connection.key_file) == (
        "127.0.0.1", 40022, "admin", Path("/keys/two"),
    )  # fmt: skip


def test_entries_come_and_go_without_touching_others(tmp_path: Path) -> None:
    known, hosts = tmp_path / "known_hosts", tmp_path / "sandbox.yml"
    theirs = "# note\ngpu.example ssh-rsa AAAA\n\n[127.0.0.1]:22 ssh-rsa BBBB"
    known.write_text(theirs)
    write_entries(tmp_path, [ONE, TWO])
    assert known.read_text() == (
        f"{theirs}\n10.1.2.10 ssh-ed25519 AAAAone\n[127.0.0.1]:40022 ssh-ed25519 AAAAtwo\n"
    )
    write_entries(tmp_path, [], forget=["10.1.2.10", "[127.0.0.1]:40022"])
    assert known.read_text() == theirs + "\n"
    assert not hosts.exists()


def test_nothing_of_ours_leaves_no_file(tmp_path: Path) -> None:
    write_entries(tmp_path, [ONE])
    write_entries(tmp_path, [], forget=["10.1.2.10"])
    assert list(tmp_path.iterdir()) == []


def test_a_new_key_replaces_the_old_one_of_the_same_place() -> None:
    old = "10.1.2.10 ssh-ed25519 AAAAold\n10.1.2.100 ssh-ed25519 AAAAother\n"
    assert merge_known_hosts(old, [ONE], []) == (
        "10.1.2.100 ssh-ed25519 AAAAother\n10.1.2.10 ssh-ed25519 AAAAone\n"
    )


@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [("", 1, ("box1",)), ("", 3, ("box1", "box2", "box3")), ("gpu", 1, ("gpu",)),
     ("gpu", 2, ("gpu1", "gpu2"))],
)  # fmt: skip
def test_box_names(name: str, count: int, expected: tuple[str, ...]) -> None:
    assert box_names(name, count) == expected


@pytest.mark.parametrize("name", ["../up", "A", "a_b", "-a", "a-", "a" * 33, "a/b", "1a"])
def test_names_that_are_no_host_names(name: str) -> None:
    with pytest.raises(UsageError, match="sandbox box name"):
        box_names(name)


def test_no_box_at_all_is_no_count() -> None:
    with pytest.raises(UsageError, match="--count 0"):
        box_names(count=0)


def test_labels_fit_the_kernel_and_differ_between_clones(tmp_path: Path) -> None:
    here, there = Labels.of(tmp_path / "a"), Labels.of(tmp_path / "b")
    for name in (here.bridge, here.interface("a" * 32)):
        assert len(name) <= 15
    assert here.bridge != there.bridge
    assert here.interface("box1") != there.interface("box1")
    assert here.interface("box1") != here.interface("box2")
    assert Labels.of(tmp_path / "c" / ".." / "a") == here


# From `ip -4 route show table all` on Debian 12.
ROUTES = """\
default via 192.0.2.1 dev eth0
10.7.0.0/16 dev tun0 proto kernel scope link src 10.7.0.2
10.19.84.0/24 dev ocb-own proto kernel scope link src 10.19.84.1
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.2
local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1
broadcast 192.0.2.255 dev eth0 table local proto kernel scope link src 192.0.2.2
local 10.19.84.1 dev ocb-own table local proto kernel scope host src 10.19.84.1
unreachable 10.8.0.0/16
"""


def test_routes_and_servers() -> None:
    assert [str(network) for network in parse_routes(ROUTES, "ocb-own")] == [
        "10.7.0.0/16", "192.0.2.0/24", "127.0.0.0/8", "192.0.2.255/32", "10.8.0.0/16",
    ]  # fmt: skip
    assert parse_servers("nameserver 10.9.9.9\nnameserver fd00::1\n# nameserver 10.1.1.1\n") == [
        IPv4Network("10.9.9.9/32")
    ]


def test_the_subnet_is_stable_and_free() -> None:
    first = choose_subnet("seed", [])
    assert choose_subnet("seed", []) == first
    assert first.prefixlen == 24
    moved = choose_subnet("seed", [first], preferred=first)
    assert not moved.overlaps(first)
    assert choose_subnet("seed", [first], preferred=moved) == moved
    # a private network that fills 10/8 leaves the next block
    beside = choose_subnet("seed", [IPv4Network("10.0.0.0/8")])
    assert beside.subnet_of(IPv4Network("172.16.0.0/12"))
    with pytest.raises(SandboxError, match="no private /24"):
        choose_subnet("seed", [IPv4Network("0.0.0.0/0")])


def test_host_numbers() -> None:
    subnet = IPv4Network("10.1.2.0/24")
    assert next_host(subnet, [10, 12]) == 11
    with pytest.raises(SandboxError, match="full"):
        next_host(subnet, range(255))


def test_the_table_is_made_again_and_only_masquerades_the_way_out() -> None:
    text = ruleset(Labels("01234567"), IPv4Network("10.1.2.0/24"))
    assert text.startswith("table ip onecard_01234567\ndelete table ip onecard_01234567\n")
    assert 'ip saddr 10.1.2.0/24 oifname != "ocb-01234567" masquerade' in text
