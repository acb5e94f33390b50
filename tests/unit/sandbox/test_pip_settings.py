"""The controller's pip settings as a box gets them."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from onecard.sandbox.common.certificates import added, certificates
from onecard.sandbox.common.pip_settings import (
    config_text,
    local_folders,
    outermost,
    parse_config_list,
)

# From `pip config list` (pip 24) with an environment of PIP_CERT, PIP_DEFAULT_TIMEOUT, PIP_FIND_LINKS.
LISTING = """\
global.cert='/old/ca.pem'
global.extra-index-url='file:///srv/a/simple file:///srv/b/simple'
global.find-links='/srv/wheels\\n/srv/more'
global.require-virtualenv='true'
install.cert='/other/ca.pem'
install.no-binary='numpy'
:env:.cert='/etc/ssl/certs/ca-certificates.crt'
:env:.default-timeout='180'
:env:.cache-dir='/home/me/cache'
"""


def test_effective_settings_the_environment_last() -> None:
    assert parse_config_list(LISTING) == {
        ("global", "extra-index-url"): "file:///srv/a/simple file:///srv/b/simple",
        ("global", "find-links"): "/srv/wheels\n/srv/more",
        ("install", "no-binary"): "numpy",
        ("global", "cert"): "/etc/ssl/certs/ca-certificates.crt",
        ("global", "timeout"): "180",
    }


def test_a_rendered_file_holds_the_same() -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(config_text(parse_config_list(LISTING)))
    assert parser["global"]["timeout"] == "180"
    assert parser["global"]["find-links"].split() == ["/srv/wheels", "/srv/more"]
    assert parser["install"]["no-binary"] == "numpy"
    assert config_text({}) == ""


@pytest.fixture
def index(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    (tmp_path / "wheels with space").mkdir()
    project = tmp_path / "simple" / "thing"
    project.mkdir(parents=True)
    (project / "index.html").write_text(
        '<a href="../../files/thing-1.0-py3-none-any.whl#sha256=00">thing</a>'
        '<a href="https://far.example/thing-1.1.whl">far</a>'
        '<a href="../../gone/thing-0.9.whl">gone</a>'
    )
    return tmp_path


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("extra-index-url", "file://{}/simple", ["files", "simple"]),
        ("find-links", "{}/files", ["files"]),
        ("find-links", "file://{}/wheels%20with%20space", ["wheels with space"]),
        ("find-links", "{}/missing https://far.example/wheels relative", []),
        ("index-url", "https://far.example/simple", []),
        ("cert", "{}/files", []),
    ],
)
def test_local_folders(index: Path, key: str, value: str, expected: list[str]) -> None:
    options = {("global", key): value.format(index)}
    assert local_folders(options) == [index / name for name in expected]


def test_inner_folders_are_bound_with_their_outer_one() -> None:
    folders = ["/srv/b/c", "/srv/b", "/", "/srv/bc"]
    assert outermost(map(Path, folders)) == [Path("/srv/b"), Path("/srv/bc")]


def pem(body: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"


def test_certificates_are_compared_by_content() -> None:
    box = pem("AAAA\nBBBB")
    controller = "# comment\n" + pem("AAAABBBB") + pem("CCCC") + "trash\n" + pem("CCCC")
    assert len(certificates(controller)) == 2
    assert list(added(controller, box).values()) == [pem("CCCC")]
    assert added(box, controller) == {}
