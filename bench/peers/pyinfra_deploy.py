"""The desired state of roles/base.py and roles/python.py for pyinfra; values from wanted.json."""

import io
import json
import os
from pathlib import Path

from pyinfra import host
from pyinfra.facts.server import Command
from pyinfra.operations import apt, files, pip, server

wanted = json.loads(Path(os.environ["BENCH_WANTED"]).read_text())
user = wanted["user"]

apt.packages(packages=wanted["packages"])
server.user(
    user=user["login"], home=user["home"], shell=user["shell"], system=True, ensure_home=False
)
for directory in wanted["directories"]:
    files.directory(
        path=directory["path"],
        user=directory["owner"],
        group=directory["group"],
        mode=directory["mode"].lstrip("0"),
    )
files.put(
    src=io.StringIO(wanted["sysctl_file"]),
    dest="/etc/sysctl.d/60-onecard.conf",
    user="root",
    group="root",
    mode="644",
)
for key, value in wanted["sysctl"].items():
    host.get_fact(Command, f"grep -qx {value} /proc/sys/{key.replace('.', '/')}")
pip.venv(path=wanted["venv"], python="python3")
host.get_fact(Command, wanted["header_check"])
