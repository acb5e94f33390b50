"""The documents of runs, report, hosts and settings."""

from __future__ import annotations

from typing import Any, Literal

from onecard.reference.documents.document import Document, Event


class RunRow(Document):
    """One record."""

    time: str
    host: str
    kind: str
    status: str
    exit_code: int | None
    seconds: float
    result: str
    broken_lines: int
    file: str


class Runs(Document):
    """Of `runs`."""

    folder: str
    runs: list[RunRow]


class ReportFigure(Document):
    """One key figure of the report."""

    value: str
    note: str


class ReportSection(Document):
    """One section of the report."""

    key: str
    title: str
    blocks: list[Event]
    """`type` is paragraph, warning, missing, commands, listing, table, plot or cases"""


class ReportPage(Document):
    """With --format json; raw values in base units."""

    title: str
    subtitle: str
    summary: str
    figures: list[ReportFigure]
    sections: list[ReportSection]


class HopRow(Document):
    """A jump host."""

    address: str
    port: int
    user: str


class HostRow(Document):
    """One host of the inventory; with `--host`, what will be used to reach it too."""

    host: str
    groups: list[str]
    address: str
    """as in the inventory, with the port if it is set there; with `--host` without the port"""
    user: str
    """as in the inventory; with `--host` as resolved"""
    host_key: str
    """fingerprint, or unknown; certificate: an authority of known_hosts signs it"""
    pinned: bool
    port: int = 22
    hops: list[HopRow] = []
    """jump hosts, first hop first"""
    proxy_command: str = ""
    """ProxyCommand of the ssh configuration"""
    keys: list[str] = []
    """key files that are offered, in order"""
    agent: str = ""
    """socket of the agent"""
    host_key_name: str = ""
    """the host's name in known_hosts"""
    client: Literal["paramiko", "ssh"] = "paramiko"
    """ssh: the program, for what Paramiko cannot do"""
    reason: str = ""
    """what Paramiko cannot do"""
    sources: dict[str, str] = {}
    """where a value is from: file and line of the inventory, an ssh configuration, or default"""
    notes: list[str] = []
    """what of the ssh configuration is not understood where no ssh program is installed"""
    refused: str = ""
    """why it cannot be used, such as a connection that is not SSH"""


class IgnoredVariable(Document):
    """A variable of the inventory that onecard does not read."""

    variable: str
    file: str
    """the first that sets it"""
    line: int | None


class HostList(Document):
    """Of `hosts`."""

    hosts: list[HostRow]
    groups: dict[str, list[str]]
    ignored: list[IgnoredVariable] = []


class SettingRow(Document):
    """One setting of a host."""

    key: str
    value: Any
    """null where it was encrypted with Ansible Vault"""
    default: Any
    file: str
    """empty for the default"""
    line: int | None
    written: str
    """the path to it in the file, with the name that it has there"""


class HostSettings(Document):
    """The settings of one host."""

    host: str
    settings: list[SettingRow]


class SettingList(Document):
    """Of `settings`."""

    hosts: list[HostSettings]
