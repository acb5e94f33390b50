"""Secrets of every kind go through a job, a failing deploy and a report: none of them stays anywhere.

The hub's token, the login to package indexes, sudo's and a proxy's password, and the API key: in
arguments and environments of processes all the while; afterwards in files, journal and units of the
box, and in all that the commands printed and wrote here. tests/box/test_expose.py looks for the key
of the certificate, tests/box/test_teardown.py for what a teardown leaves.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.box.conftest import PROJECT, Box, Controller, serving
from tests.support.hub_server import TOKEN, HubServer, Model
from tests.support.planted_secrets import Request, searched, unexpected, watched

pytestmark = pytest.mark.box

PLANTED = {
    "hub token": TOKEN,
    "index password": "planted-index-3f9a1c",
    "sudo password": "planted-sudo-77b0e2",
    "proxy password": "planted-proxy-c41d88",
}
GIVEN = {
    "HF_TOKEN": PLANTED["hub token"],
    "ONECARD_INDEX_CREDENTIALS": f"ann:{PLANTED['index password']}",
    "ONECARD_SUDO_PASSWORD": PLANTED["sudo password"],
    "https_proxy": f"http://ann:{PLANTED['proxy password']}@192.0.2.1:3128",
    "no_proxy": "*",
}
ACCOUNT = f"""
useradd -m -s /bin/bash planted
echo planted:{PLANTED["sudo password"]} | chpasswd
echo 'planted ALL=(ALL) ALL' >/etc/sudoers.d/planted
install -d -m 0700 -o planted -g planted /home/planted/.ssh
install -m 0600 -o planted -g planted /root/.ssh/authorized_keys /home/planted/.ssh/
"""
FILES = {
    path.name: path.read_bytes() for path in (PROJECT / "onecard/tiny_model/tiny-vqa").iterdir()
}


@pytest.fixture
def elsewhere(
    controller: Controller, box: Box, good: dict[str, Any], tmp_path: Path
) -> Iterator[Controller]:
    """An inventory that reaches the box by sudo, and needs a token and a login for its model."""
    inventory = tmp_path / "inventory"
    shutil.copytree(controller.inventory, inventory)
    box(ACCOUNT)
    with HubServer({"acme/gated": Model(FILES, access="gated")}).serving(controller.address) as hub:
        (inventory / "host_vars").mkdir(exist_ok=True)
        (inventory / "host_vars" / "box1.yml").write_text(
            yaml.safe_dump({
                "ansible_user": "planted",
                "model": {"source": "acme/gated", "name": "tiny-vqa"},
                "hub": {"endpoint": hub.url},
                "indexes": {"extra_urls": [f"{hub.url}/simple"]},
            })
        )  # fmt: skip
        yield Controller(inventory)
    box(
        "rm -rf /opt/onecard/models/acme--* /etc/onecard/indexes.netrc /etc/sudoers.d/planted\n"
        "userdel --remove planted 2>/dev/null"
    )
    controller.json("provision", "--host", "sandbox")


def test_no_secret_is_found_after_a_job_a_failing_deploy_and_a_report(
    controller: Controller,
    elsewhere: Controller,
    box: Box,
    good: dict[str, Any],
    tmp_path: Path,
) -> None:
    key = box("sed s/VLLM_API_KEY=// /etc/onecard/api-key.env").strip()
    secrets = {**PLANTED, "API key": key}
    on_box = Request(secrets, since=time.time())
    here = Request(secrets, (str(tmp_path), str(Path.home() / ".cache")), environments=False)
    printed = {}
    with watched(on_box, box) as on_the_box, watched(here) as on_this_computer:
        for words, code in (
            (("-d", "provision", "--host", "box1"), 0),
            (("-d", "deploy", "--host", "box1", "--extra-args", "--no-such-flag", "--json"), 1),
            (("-d", "diagnose", "--host", "box1", "--report", str(tmp_path / "report")), 0),
            (("-d", "logs", "--host", "box1", "--lines", "500"), 0),
            (("report", "--host", "box1", "--format", "md", "--out", str(tmp_path / "page")), 0),
        ):
            done = elsewhere.invoke(*words, **GIVEN)
            assert done.returncode == code, done.stderr
            printed[" ".join(words)] = done.stdout + done.stderr
            if "deploy" in words:
                failed = json.loads(done.stdout)
                assert failed["diagnosis"]["rule"] == "unknown-flag", failed
                assert failed["back_to"] == good["number"]
    assert serving(controller)["number"] == good["number"]
    assert box("grep -c machine /etc/onecard/indexes.netrc").strip() == "1"
    for name, value in secrets.items():
        assert [command for command, text in printed.items() if value in text] == [], name
    assert unexpected(on_the_box() | searched(on_box, box)) == []
    assert unexpected(on_this_computer() | searched(here)) == []
