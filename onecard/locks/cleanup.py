"""Removes the environments that nothing names any more."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from onecard import layout
from onecard.session import Session

_SCRIPT = f"""
keep=$(readlink {layout.VENV}
  for unit in {layout.UNIT_FILE} {layout.RELEASES}/*/{layout.UNIT}; do
    grep -oE '{layout.VENVS}/[0-9a-f]+' "$unit" 2>/dev/null
  done)
for venv in {layout.VENVS}/*; do
  [ -d "$venv" ] || continue
  echo "$keep" | grep -qxF "$venv" && continue
  rm -rf "$venv" && echo "$venv"
done
:
"""


def remove_unused(session: Session, moved: Sequence[str]) -> tuple[str, ...]:
    """Remove every environment but those that the link, the unit or a release names.

    moved: packages whose copies in uv's cache go too; what an environment holds stays, since its
    files are links of their own. Returns the folders that are gone.
    """
    removed = tuple(line for line in session.run(_SCRIPT).output.splitlines() if line.strip())
    if removed and moved:
        session.run(f"{layout.UV} cache clean -q {shlex.join(moved)}")
    return removed
