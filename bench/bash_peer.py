"""The floor of the work: a bash script that checks the same things, over one ssh."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any


def script(wanted: Mapping[str, Any]) -> str:
    """Return bash that exits with 1 and names what differs from the values of the peers."""
    user = wanted["user"]
    quoted = " ".join(map(shlex.quote, wanted["packages"]))
    lines = [
        'bad=0; differs() { echo "differs: $1"; bad=1; }',
        f"[ \"$(dpkg-query -W -f '${{db:Status-Abbrev}}\\n' {quoted} | grep -c '^.i')\" = "
        f"{len(wanted['packages'])} ] || differs packages",
        f"IFS=: read -r _ _ _ _ _ home shell < <(getent passwd {shlex.quote(user['login'])})",
        f'[ "$home $shell" = {shlex.quote(user["home"] + " " + user["shell"])} ] || differs user',
    ]
    for each in wanted["directories"]:
        mode = each["mode"].lstrip("0")
        state = f"directory {mode} {each['owner']} {each['group']}"
        path = shlex.quote(each["path"])
        lines.append(
            f"[ \"$(stat -c '%F %a %U %G' -- {path})\" = {shlex.quote(state)} ] || differs {path}"
        )
    content = shlex.quote(wanted["sysctl_file"].rstrip("\n"))
    lines.append(f'[ "$(</etc/sysctl.d/60-onecard.conf)" = {content} ] || differs sysctl')
    for key, value in wanted["sysctl"].items():
        lines.append(f'[ "$(</proc/sys/{key.replace(".", "/")})" = {value} ] || differs {key}')
    lines += [
        f"{shlex.quote(wanted['venv'])}/bin/python -c '' || differs venv",
        f"{{ {wanted['header_check']}; }} 2>/dev/null || differs header",
        "exit $bad",
    ]
    return "\n".join(lines) + "\n"
