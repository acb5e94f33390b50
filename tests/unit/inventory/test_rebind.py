"""A new address is written where the old one stands, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.errors import UsageError
from onecard.inventory.load import load
from onecard.inventory.rebind import rebind

HOSTS = """\
# the boxes
all:
  children:
    gpu:
      hosts:
        pod-1:                       # an A100 of RunPod
          ansible_host: 203.0.113.7  # changes with each start
          ansible_port: 40022
          serve: {ctx: 65536}
        other:
          address: 203.0.113.8
          port: 22
        bare:
        flow: {ansible_host: 203.0.113.9}
        many[1:2]:
          ansible_user: root
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "hosts.yml").write_text(HOSTS)
    return tmp_path


def changed_lines(root: Path) -> list[str]:
    before = HOSTS.splitlines()
    return [line for line in (root / "hosts.yml").read_text().splitlines() if line not in before]


def test_values_are_replaced_and_comments_stay(root: Path) -> None:
    assert rebind(root, "pod-1", "198.51.100.4", 12345, "") == (root / "hosts.yml",)
    assert changed_lines(root) == [
        "          ansible_host: 198.51.100.4  # changes with each start",
        "          ansible_port: 12345",
    ]
    place = load(root).hosts["pod-1"]
    assert (place.connection.address, place.connection.port) == ("198.51.100.4", 12345)
    assert place.settings.serve.ctx == 65536


def test_a_key_that_is_missing_is_added(root: Path) -> None:
    rebind(root, "pod-1", "203.0.113.7", 40022, "admin")
    assert changed_lines(root) == ["          ansible_user: admin"]


@pytest.mark.parametrize("name", ["bare", "flow", "other"])
def test_every_shape_of_an_entry(root: Path, name: str) -> None:
    rebind(root, name, "pod.example.org", 2222, "root")
    place = load(root).hosts[name].connection
    assert (place.address, place.port, place.user) == ("pod.example.org", 2222, "root")
    assert len(load(root).hosts) == 6


def test_what_host_vars_says_is_changed_there(root: Path) -> None:
    own = root / "host_vars" / "pod-1.yml"
    own.write_text("ansible_port: 1  # mine\n")
    assert set(rebind(root, "pod-1", "198.51.100.4", 2, "")) == {own, root / "hosts.yml"}
    assert own.read_text() == "ansible_port: 2  # mine\n"
    assert "ansible_port: 40022" in (root / "hosts.yml").read_text()


def test_the_same_place_changes_nothing(root: Path) -> None:
    assert rebind(root, "pod-1", "203.0.113.7", 40022, "") == ()


@pytest.mark.parametrize(
    ("name", "message"), [("many1", "no entry of its own"), ("nobody", "not in the inventory")]
)
def test_what_has_no_entry_is_refused(root: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        rebind(root, name, "198.51.100.4", 1, "")
    assert (root / "hosts.yml").read_text() == HOSTS


def test_an_edit_with_another_effect_is_undone(root: Path) -> None:
    """Both hosts have the one mapping: YAML's anchors share it."""
    text = HOSTS.replace("other:\n          address", "other: &shared\n          address")
    text = text.replace("        bare:\n", "        bare: *shared\n")
    (root / "hosts.yml").write_text(text)
    with pytest.raises(UsageError, match="without another effect"):
        rebind(root, "other", "198.51.100.4", 1, "")
    assert (root / "hosts.yml").read_text() == text
