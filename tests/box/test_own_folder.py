"""A folder of one's own: its role on a real box, and its template in a deploy's diff."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.box.conftest import INVOKE, PROJECT, Box, Controller

pytestmark = pytest.mark.box

PAGE = (PROJECT / "docs" / "adding-a-role.md").read_text(encoding="utf-8")
ROLE = re.findall(r"(?s)```python\n(.*?)```", PAGE)[0]


@dataclass(frozen=True)
class OwnFolder:
    path: Path
    environment: dict[str, str]

    def invoke(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [INVOKE, *words], cwd=self.path, env=self.environment, timeout=600,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done

    def shown(self, *words: str) -> str:
        """Return all that a person sees: results, and the plan on standard error."""
        done = self.invoke(*words)
        return done.stdout + done.stderr

    def provision(self) -> dict[str, Any]:
        (host,) = json.loads(self.invoke("provision", "--host", "box1", "--json").stdout)["hosts"]
        return dict(host)


@pytest.fixture
def own(controller: Controller, provisioned: Any, box: Box, tmp_path: Path) -> Iterator[OwnFolder]:
    """A folder with the documented role, whose inventory knows the shared box."""
    path = tmp_path / "boxes"
    controller.invoke("init", str(path))
    shutil.copytree(controller.inventory, path / "inventory", dirs_exist_ok=True)
    (path / "roles").mkdir()
    (path / "roles" / "page.py").write_text(ROLE)
    settings = path / "inventory" / "host_vars"
    settings.mkdir(exist_ok=True)
    (settings / "box1.yml").write_text("roles: [..., page]\n")
    environment = {**controller.environment, "ONECARD_INVENTORY": "", "PYTHONPATH": str(PROJECT)}
    had_busybox = "ii" in box("dpkg-query -W -f '${db:Status-Abbrev}' busybox 2>&1 || true")
    yield OwnFolder(path, environment)
    box(
        "systemctl disable --now box-page 2>&1; rm -rf /srv/box-page"
        " /etc/systemd/system/box-page.service; systemctl daemon-reload"
        + ("" if had_busybox else "; apt-get -q -y purge busybox")
    )


def test_a_role_of_ones_own_is_applied_verified_and_repaired(own: OwnFolder, box: Box) -> None:
    planned = own.shown("plan", "--host", "box1", "--diff")
    assert "+box1 serves" in planned and "box-page.service" in planned
    (page,) = [role for role in own.provision()["roles"] if role["name"] == "page"]
    assert page["changed"] >= 4 and not page["failed"]
    assert "box1 serves" in box("curl -fsS http://127.0.0.1:8088/")
    assert own.provision()["changed"] == 0
    box("systemctl stop box-page; echo else >/srv/box-page/index.html")
    assert own.provision()["changed"] == 2
    assert "box1 serves" in box("curl -fsS http://127.0.0.1:8088/")
    # What the role calls absent is removed, as by teardown, which verifies the same resources.
    (own.path / "roles" / "page.py").write_text(f"{ROLE}\n\ndesired = absent\n")
    assert own.provision()["changed"] == 2
    box("! systemctl cat box-page && ! test -e /srv/box-page && ! curl -fsS http://127.0.0.1:8088/")


def test_a_template_of_ones_own_shows_in_the_diff_and_ages(own: OwnFolder) -> None:
    before = own.shown("deploy", "--host", "box1", "--check", "--diff")
    own.shown("templates", "--copy", "vllm.service.j2")
    assert own.shown("deploy", "--host", "box1", "--check", "--diff") == before
    copy = own.path / "templates" / "vllm.service.j2"
    copy.write_text(copy.read_text().replace("[Service]\n", "[Service]\nNice=5\n"))
    assert "Nice=5" in own.shown("deploy", "--host", "box1", "--check", "--diff")
    assert "Nice=5" in own.shown("templates", "--diff", "vllm.service.j2")
    assert "1 of your own" in own.shown("doctor", "--host", "box1")
    copy.write_text(re.sub(r"sha256 \w{4}", "sha256 0000", copy.read_text()))
    assert "has changed" in " ".join(own.shown("doctor", "--host", "box1").split())
