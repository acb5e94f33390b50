"""Prints the hosts of the inventory, and how single ones are reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from onecard.console.terminal import Terminal

Row = Mapping[str, Any]


def print_hosts(rows: Sequence[Row]) -> None:
    """Print a line for each host."""
    table = Table("host", "groups", "address", "user", box=None, padding=(0, 2, 0, 0))
    table.add_column("host key", overflow="fold")  # a fingerprint that is cut compares with nothing
    for row in rows:
        mark = " (pinned)" if row["pinned"] else ""
        groups = ", ".join(row["groups"])
        table.add_row(f"{row['host']}{mark}", groups, row["address"], row["user"], row["host_key"])
    Terminal().print(table)
    for row in rows:
        if row["refused"]:
            print(f"{row['host']} cannot be used: {row['refused']}")


def print_routes(rows: Sequence[Row]) -> None:
    """Print what will be used to reach each host, with the place that each value is from."""
    console = Terminal()
    for row in rows:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        table.add_column()
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        for name, value in _values(row):
            table.add_row(name, value, row["sources"].get(name.replace(" ", "_"), ""))
        console.print(row["host"])
        console.print(table)


def _values(row: Row) -> list[tuple[str, str]]:
    hops = [f"{hop['user']}@{hop['address']}:{hop['port']}" for hop in row["hops"]]
    values = [
        ("address", row["address"]),
        ("port", str(row["port"])),
        ("user", row["user"]),
        ("hops", ", then ".join(hops) or row["proxy_command"] or "none"),
        ("keys", "\n".join(row["keys"]) or "no file"),
        ("agent", row["agent"] or "none"),
        ("host key", row["host_key"]),
        ("client", f"ssh, for {row['reason']}" if row["client"] == "ssh" else row["client"]),
    ]
    return values + [("note", note) for note in row["notes"]]
