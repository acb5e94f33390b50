"""One line in the script that a pod's image runs at its start."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from onecard.resources.base import Differences, Resource, State, fields
from onecard.ssh.probe_batch import Answer

_MARK = "# Written by onecard"
# Vast's images run the first, and have it. RunPod's /start.sh runs the second if it is there:
# https://github.com/runpod/containers (container-template/start.sh).
_VAST, _RUNPOD = "/root/onstart.sh", "/post_start.sh"
_FILE = f"""\
file=
if [ -f {_VAST} ]; then file={_VAST}
elif [ -f {_RUNPOD} ] || grep -qs {_RUNPOD} /start.sh; then file={_RUNPOD}; fi
"""
_NONE = (
    "error: start_at_boot: this image runs no script at its start (neither /root/onstart.sh nor "
    "/post_start.sh); set start_at_boot: false, and see docs/pods.md for a start command"
)


@dataclass(frozen=True)
class BootLine(Resource):
    """The line that runs a script of onecard's when the pod starts; `present` or not there.

    script: its path. The container does not wait for it.
    """

    script: str
    present: bool

    @property
    def name(self) -> str:
        return "line in the image's start script"

    def probe(self) -> str:
        return (
            f'{_FILE}echo "line=$(grep -sF {shlex.quote(_MARK)} {_VAST} {_RUNPOD} | cut -d: -f2-)"'
        )

    def read(self, answer: Answer) -> State:
        return {"line": fields(answer.output).get("line", "")}

    def desired(self) -> State:
        return {"line": self._line if self.present else ""}

    def fix(self, differences: Differences, actual: State) -> str:
        removed = (
            f"for each in {_VAST} {_RUNPOD}; do\n"
            f'  grep -qsF {shlex.quote(_MARK)} "$each" || continue\n'
            f'  sed -i "/{_MARK}/d" "$each"\n'
            '  [ "$(cat "$each")" != "#!/bin/bash" ] || rm "$each"\n'
            "done"
        )
        if not self.present:
            return removed
        return (
            f"{removed}\n{_FILE}"
            f'[ -n "$file" ] || {{ echo {shlex.quote(_NONE)}; exit 1; }}\n'
            '[ -e "$file" ] || { echo "#!/bin/bash" >"$file"; chmod 0755 "$file"; }\n'
            f'echo {shlex.quote(self._line)} >>"$file"'
        )

    @property
    def _line(self) -> str:
        return f"sh {shlex.quote(self.script)} & {_MARK}"
