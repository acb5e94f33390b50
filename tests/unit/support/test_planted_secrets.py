"""The search that the box tests trust: it finds what is planted, in each form, and nothing else."""

from __future__ import annotations

import base64
import os
import pwd
import subprocess
from pathlib import Path

from tests.support.planted_secrets import Finding, Request, searched, watched

VALUE = "planted-horse-battery-7"


def test_files_in_each_form(tmp_path: Path) -> None:
    encoded = [base64.b64encode(before + VALUE.encode()) for before in (b"", b"a", b"ab", b"ann:")]
    (tmp_path / "inner").mkdir()
    paths = [tmp_path / "inner" / f"file{number}" for number in range(6)]
    for path, content in zip(
        paths, [VALUE.encode(), b"\0\xff" + VALUE.encode(), *encoded], strict=True
    ):
        path.write_bytes(content)
        path.chmod(0o644)
    (tmp_path / "other").write_text("planted-horse-battery-8")
    found = searched(Request({"token": VALUE}, (str(tmp_path),)))
    assert found == {Finding("token", str(path), "644") for path in paths}


def test_arguments_and_environments() -> None:
    begun = []
    with watched(Request({"token": VALUE})) as found:
        for words, environment in ((["", VALUE], {}), ([""], {"TOKEN": VALUE})):
            code = ["python3", "-c", "input()", *words]
            begun.append(subprocess.Popen(code, env=environment, stdin=subprocess.PIPE))
    for process in begun:
        process.communicate(b"\n")
    places = {each.place for each in found()}
    mine = f"of {pwd.getpwuid(os.getuid()).pw_name}'s python3 -c input()  "
    assert places == {f"cmdline {mine}<secret> ", f"environ {mine}"}
