"""Which boxes a gateway has, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.errors import UsageError
from onecard.inventory.load import Inventory, load
from onecard.inventory.serving_groups.gateway_group import find_group, required_group


def inventory(folder: Path, extra: str = "") -> Inventory:
    (folder / "group_vars").mkdir()
    (folder / "group_vars" / "pool.yml").write_text("gateway: {host: lead, domain: a.example}\n")
    (folder / "hosts.yml").write_text(
        "other: {hosts: {lead: {}, alone: {}}}\n"
        f"pool: {{hosts: {{{extra}a: {{}}, b: {{}}}}}}\n"
    )
    return load(folder)


def test_the_boxes_are_all_that_name_the_host(tmp_path: Path) -> None:
    found = inventory(tmp_path)
    for chosen in (("a",), ("a", "b"), ("lead",)):
        group = find_group(found, [found.hosts[name] for name in chosen])
        assert group is not None
        assert group.host.name == "lead"
        assert [box.name for box in group.boxes] == ["a", "b"]
        assert group.settings.domain == "a.example"
    assert find_group(found, [found.hosts["alone"]]) is None
    with pytest.raises(UsageError, match=r"^alone: no gateway; set gateway\.host"):
        required_group(found, [found.hosts["alone"]])


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("c: {gateway: {host: nowhere}}, ", r"gateway\.host: nowhere is not a host"),
        ("c: {gateway: {port: 8443}}, ", "gateway: c and a have different settings"),
        ("c: {gateway: {host: alone}}, ", "belong to several gateways \\(alone, lead\\)"),
        ("c: {gateway: {host: ''}}, ", "belong to several gateways \\(lead, none\\)"),
    ],
)
def test_what_makes_no_group_is_refused(tmp_path: Path, extra: str, message: str) -> None:
    found = inventory(tmp_path, extra)
    chosen = [host for name, host in found.hosts.items() if name not in ("lead", "alone")]
    chosen = chosen[:1] if "nowhere" in extra else chosen
    with pytest.raises(UsageError, match=message):
        find_group(found, chosen)
