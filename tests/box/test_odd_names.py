"""Names with blanks, backslashes and what systemd and shells read specially, from deploy to rollback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onecard.box import paths, unit_words
from tests.box.conftest import PROJECT, Box, Controller

pytestmark = pytest.mark.box

MODEL = PROJECT / "onecard" / "tiny_model" / "tiny-vqa"
NAME = r'tiny-vqa a b\n \c \x20 "q" %h $HOME ${X} [b]ä;'
# What systemd passes on, read from the process; each word on a line of its own.
SHOW = """cat >/run/systemd/system/words.service <<'@end'
[Service]
Type=oneshot
ExecStart=/usr/bin/printf '[%%s]\\n' @words@
StandardOutput=truncate:/run/words
@end
systemctl daemon-reload; systemctl start words; cat /run/words; rm /run/words
cat /run/systemd/system/words.service >&2; rm /run/systemd/system/words.service
"""
WRITTEN = [
    r'a\x20b c\td "e f"g',
    "'it \"s' \"it's\" '' x",
    r"\u00e4 \303\244 \xc3\xa4 \s",
    r"100%% $$HOME $${X} a$b",
    r'"a \\ b" \q "\x5cn" \\',
]


@pytest.fixture
def good(controller: Controller, deployed: Any) -> Iterator[int]:
    """The number of a release that serves, before and after."""
    if controller.invoke("status", "--host", "sandbox").returncode != 0:
        controller.json("deploy", "--host", "sandbox")
    listed = controller.json("releases", "--host", "sandbox")["releases"]
    (number,) = [each["number"] for each in listed if each["current"]]
    yield number
    assert controller.json("rollback", "--host", "sandbox", "--to", str(number))["status"]


@pytest.mark.parametrize("written", WRITTEN)
def test_words_are_read_as_systemd_reads_them(box: Box, written: str) -> None:
    shown = box(SHOW.replace("@words@", written))
    assert shown == "".join(f"[{word}]\n" for word in _read(written))


def _read(written: str) -> tuple[str, ...]:
    return unit_words.command(f"[Service]\nExecStart=/x {written}\n")[1:]


def test_an_odd_name_from_deploy_to_rollback(
    controller: Controller, box: Box, good: int, tmp_path: Path
) -> None:
    model = tmp_path / "with blanks" / "tiny vqa %h"
    shutil.copytree(MODEL, model)
    reported = controller.json(
        "deploy", "--host", "sandbox", f"--model={model}", f"--served-name={NAME}"
    )
    assert reported["status"] == "changed"
    status = controller.json("status", "--host", "sandbox")
    assert (status["status"], status["model"]) == ("serving", NAME)
    assert NAME in controller.invoke("status", "--host", "sandbox").stdout
    assert controller.json("smoke", "--host", "sandbox")["cases"]
    listed = controller.json("releases", "--host", "sandbox")["releases"]
    (odd,) = [each for each in listed if each["current"]]
    assert (odd["model"], odd["state"], odd["installed"]) == (NAME, "ready", True)
    argv = box("tr '\\0' '\\n' </proc/$(systemctl show vllm -p MainPID --value)/cmdline")
    assert NAME in argv.splitlines()
    assert "tiny vqa %h" in argv

    assert controller.json("rollback", "--host", "sandbox", "--to", str(good))["status"]
    again = controller.json("rollback", "--host", "sandbox", "--to", str(odd["number"]))
    assert again["status"] == "changed"
    assert controller.json("status", "--host", "sandbox")["model"] == NAME

    box(f"printf '{{' >{paths.RELEASES}/{odd['number']}/about.json; mkdir {paths.RELEASES}/9999")
    try:
        listed = controller.json("releases", "--host", "sandbox")["releases"]
        states = {each["number"]: each["state"] for each in listed}
        assert (states[odd["number"]], states[9999], states[good]) == (
            "unreadable",
            "unreadable",
            "ready",
        )
        assert controller.invoke("releases", "--host", "sandbox").returncode == 0
        refused = controller.invoke("rollback", "--host", "sandbox", "--to", "9999")
        assert refused.returncode == 1
        assert "release 9999 cannot be read: fingerprint is missing" in refused.stderr
        back = controller.json("rollback", "--host", "sandbox", "--to", str(good))
        assert back["status"] == "changed"
    finally:
        box(f"rmdir {paths.RELEASES}/9999")
