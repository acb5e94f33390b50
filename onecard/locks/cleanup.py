"""Remove the environments that nothing refers to any more."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from onecard.box import paths
from onecard.ssh.shell import Session

_SCRIPT = f"""
used=$(readlink {paths.VENV}
  for unit in "$(services file {paths.UNIT})" {paths.RELEASES}/*/{paths.UNIT}; do
    grep -oE '{paths.VENVS}/[0-9a-f]+' "$unit" 2>/dev/null
  done)
for venv in {paths.VENVS}/*; do
  [ -d "$venv" ] || continue
  echo "$used" | grep -qxF "$venv" && continue
  rm -rf "$venv" && echo "$venv"
done
:
"""


def remove_unused(session: Session, moved: Sequence[str]) -> tuple[str, ...]:
    """Remove every environment except those that the link, the unit or a release refers to.

    moved: packages whose copies in uv's cache are removed too; an environment's own files are hard
    links and stay. Returns the removed folders.
    """
    removed = tuple(line for line in session.run(_SCRIPT).output.splitlines() if line.strip())
    if removed and moved:
        session.run(f"{paths.UV} cache clean -q {shlex.join(moved)}")
    return removed
