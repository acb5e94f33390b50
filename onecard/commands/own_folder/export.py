"""`invoke export`."""

from __future__ import annotations

import sys

from onecard.cli import flag_values, targets
from onecard.cli.output import show_error, write_text
from onecard.credentials import secret_store
from onecard.engine.facts_cache import cache_of
from onecard.export.container import ContainerServer, container_server
from onecard.export.formats import FORMATS
from onecard.export.validate import validate
from onecard.inventory.lock_files import refuse_other_settings
from onecard.inventory.serving_groups.cluster_group import refuse_member
from onecard.project import inventory_folder


def export(requested: str, *, kind: str, output: str) -> int:
    """Write a host's server for another engine; return 1 where its tool refuses the file.

    output: the file; empty or `-` for standard output. Reads files only.
    """
    made = FORMATS[flag_values.one_of("--format", kind, FORMATS)]
    host, folder = targets.chosen_host(requested), inventory_folder()
    refuse_member(host)
    refuse_other_settings(host, folder)
    server = container_server(
        host,
        cache_of(folder, host.name).load(),
        token=secret_store.find("hf-token", host.name) is not None,
    )
    text = made.document(server, host.name)
    if write_text("--output", output, text):
        print(f"written    {output}", file=sys.stderr)
    _say(server)
    found = validate(kind, text, made.file_name(server))
    if found.trouble:
        show_error(f"{found.tool} refuses it", found.trouble)
        return 1
    print(_verdict(kind, found.tool), file=sys.stderr)
    return 0


def _say(server: ContainerServer) -> None:
    cards = ", ".join(server.cards) or "none (CPU)"
    print(f"image      {server.image}\ncards      {cards}", file=sys.stderr)
    print(f"secrets    {', '.join(server.secrets.values())}", file=sys.stderr)


def _verdict(kind: str, tool: str) -> str:
    if tool:
        return f"validated  {tool}"
    return f"validated  not: this computer has none of the tools that read {kind} files"
