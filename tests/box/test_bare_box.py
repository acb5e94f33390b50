"""Commands on a box that nothing is installed on: they report it, and leave it untouched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.box.conftest import Box, Controller, bare_box
from tests.support.hub_server import HubServer, Model

pytestmark = pytest.mark.box

FINGERPRINT = (
    "find /etc -type f -exec sha256sum {} + | sort | sha256sum; dpkg -l | sha256sum; "
    "ls -A /opt /var/lib/onecard 2>/dev/null; getent passwd | sha256sum"
)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    with bare_box(tmp_path_factory.mktemp("bare")) as opened:
        yield opened


@pytest.fixture
def box(bare: Controller) -> Box:
    return Box(bare)


def test_check_touches_nothing_on_a_bare_box(bare: Controller, box: Box) -> None:
    before = box(FINGERPRINT)
    checked = bare.invoke("provision", "--host", "sandbox", "--check", "--diff")
    assert checked.returncode == 0, checked.stderr
    assert "python3-dev: absent -> installed" in checked.stderr
    pending = bare.invoke("plan", "--host", "sandbox", "--exit-code")
    assert pending.returncode == 4
    assert box(FINGERPRINT) == before


def test_a_model_that_is_not_available_is_reported_before_anything_is_changed(
    bare: Controller, box: Box
) -> None:
    before = box(FINGERPRINT)
    file = bare.inventory / "host_vars" / "box1.yml"
    file.parent.mkdir(exist_ok=True)
    with HubServer({"acme/gated": Model({"a": b"x"}, access="gated")}).serving(bare.address) as hub:
        for source, message in (
            ("acme/none", "there is no model acme/none at "),
            ("acme/gated", "acme/gated is gated and there is no token (401)"),
        ):
            values = {"model": {"source": source}, "hub": {"endpoint": hub.url}}
            file.write_text(yaml.safe_dump(values))
            done = bare.invoke("provision", "--host", "box1")
            assert done.returncode == 1
            assert f"error: box1: base: {source} at the hub: {message}" in done.stderr
    file.unlink()
    assert box(FINGERPRINT) == before


def test_deploy_before_provision_is_refused(bare: Controller) -> None:
    done = bare.invoke("deploy", "--host", "sandbox")
    assert done.returncode == 1
    assert "invoke provision" in done.stderr
    assert "Traceback" not in done.stderr
