"""The floor of the work: bash scripts that check, and install, the same things over one ssh."""

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


def installation(wanted: Mapping[str, Any]) -> str:
    """Return bash that brings a new box to the values of the peers."""
    user, quoted = wanted["user"], " ".join(map(shlex.quote, wanted["packages"]))
    lines = [
        "set -e; export DEBIAN_FRONTEND=noninteractive",
        "apt-get -qq update </dev/null",
        # The script comes on standard input, which a package's script may read.
        f"apt-get -qq -y install --no-install-recommends {quoted} </dev/null >/dev/null",
        f"useradd --system --no-create-home --home-dir {shlex.quote(user['home'])} "
        f"--shell {shlex.quote(user['shell'])} {shlex.quote(user['login'])}",
    ]
    lines += [
        f"install -d -m {each['mode']} -o {each['owner']} -g {each['group']} "
        f"{shlex.quote(each['path'])}"
        for each in wanted["directories"]
    ]
    return (
        "\n".join(
            [
                *lines,
                f"printf %s {shlex.quote(wanted['sysctl_file'])} >/etc/sysctl.d/60-onecard.conf",
                "sysctl -q -p /etc/sysctl.d/60-onecard.conf",
                f"python3 -m venv {shlex.quote(wanted['venv'])}",
                wanted["header_check"],
            ]
        )
        + "\n"
    )
