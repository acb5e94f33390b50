"""inventory/group_vars/all.yml: every setting with its default, as comments to copy."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from onecard.errors import UsageError
from onecard.reference.values import as_yaml
from onecard.settings.connection_keys import ConnectionKeys
from onecard.settings.descriptions import describe
from onecard.settings.option import Option, options
from onecard.settings.settings import Settings
from onecard.settings.variables.ansible_names import USED

COLUMN: Final = 32
WIDTH: Final = 100

HEAD: Final = """\
# Every setting, with its default. To change one, copy its line without the # (and its
# section's) to group_vars/GROUP.yml, to host_vars/HOST.yml, to the host in hosts.yml, or, for all
# hosts, to the end of this file. The value nearest to the host wins; a section such as `serve`
# may be set in part in each file. `make docs` writes these lines, from the fields of Settings.

# What the box should become
"""
CONNECTION: Final = """
# How the box is reached. Ansible's names are accepted too.

"""
END: Final = "\n# Your settings for all hosts go below this line.\n"


def overview(before: str) -> str:
    """Return the file's text.

    before: the current text; what is below the overview's last line stays.
    Raises UsageError for a setting above that line, which would be lost.
    """
    above, _, below = before.partition(END)
    for number, line in enumerate(above.splitlines(), 1):
        if line and not line.startswith("#"):
            raise UsageError(
                f"inventory/group_vars/all.yml: line {number} sets something inside the overview; "
                f"move it below the line: {END.strip()}"
            )
    keys = map(_connection_key, options(ConnectionKeys))
    return "".join([HEAD, *_settings(), CONNECTION, *keys, END, below])


def _settings() -> Iterator[str]:
    before = None
    for option in options(Settings):
        section = option.path.partition(".")[0] if "." in option.path else ""
        if section != before or not section:
            if before is None or section or before:
                yield "\n"
            if section:
                yield _commented(
                    f"{section}:", describe(Settings).model_fields[section].description or ""
                )
        before = section
        yield _setting(option, "  " if section else "")


def _setting(option: Option, indent: str) -> str:
    return _commented(f"{indent}{option.name}: {as_yaml(option.default)}", option.full_help)


def _connection_key(option: Option) -> str:
    theirs = next((f"{name}; " for name, ours in USED.items() if ours == option.name), "")
    return _commented(f"{option.name}: {as_yaml(option.default)}", f"{theirs}{option.help}")


def _commented(setting: str, text: str) -> str:
    """Return `# setting   # text`; a long text continues on the next lines."""
    head = f"# {setting}".ljust(COLUMN - 2) + "  # "
    below = "#".ljust(len(head) - 2) + "# "
    return textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=below) + "\n"
