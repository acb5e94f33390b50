"""docs/settings.md: every setting with its default, allowed values, meaning and flags."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Final

from onecard.reference.values import allowed, as_yaml
from onecard.settings.connection_keys import ConnectionKeys
from onecard.settings.descriptions import describe
from onecard.settings.option import Option, options
from onecard.settings.settings import Settings
from onecard.settings.variables.ansible_names import USED

HEAD: Final = """\
# Settings

<!-- Made by `make docs` from the fields of Settings; changes belong there. -->

Settings are set in the [inventory](inventory.md): in `group_vars/`, `host_vars/` or at the host in
`hosts.yml`. Those of `serve` are flags of `invoke deploy` too; a flag overrides every file.
`-e KEY.PATH=VALUE` sets one for a single run, and `invoke settings --host H` shows those of a host,
with the file and line of each. A wrong type, a value out of range or an unknown key in a section is
one line of error that names the file and the key, before any connection.

The same as a JSON schema, for editors: [settings.schema.json](settings.schema.json).
"""
TABLE: Final = "\n| Setting, default | What it is |\n|---|---|\n"


def settings_page() -> str:
    """Return the page's text."""
    general = [each for each in options(Settings) if "." not in each.path]
    sections = groupby(
        (each for each in options(Settings) if "." in each.path),
        key=lambda each: each.path.partition(".")[0],
    )
    return "".join(
        [
            HEAD,
            _section("General", "", general),
            *(
                _section(name, describe(Settings).model_fields[name].description or "", listed)
                for name, listed in sections
            ),
            _section("Connection", "how the box is reached", options(ConnectionKeys)),
        ]
    )


def _section(name: str, text: str, listed: Iterable[Option]) -> str:
    title = f"\n## {name}\n" if not text else f"\n## {name}\n\n{text[0].upper()}{text[1:]}.\n"
    return title + TABLE + "".join(map(_row, listed))


def _row(option: Option) -> str:
    text = f"{option.help}<br>{' · '.join([allowed(option), *_flags(option)])}"
    cells = [f"`{option.name}`<br>`{as_yaml(option.default)}`", text]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _flags(option: Option) -> Iterable[str]:
    if option.parameter:
        yield f"`deploy --{option.parameter.replace('_', '-')}`"
    if option.vllm:
        yield f"vLLM `{option.vllm.flag}`"
    if option.path in ConnectionKeys.model_fields:
        yield from (f"`{name}`" for name, ours in USED.items() if ours == option.path)
