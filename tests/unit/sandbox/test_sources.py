"""Apt sources and settings that a sandbox box takes from the controller."""

from __future__ import annotations

import pytest

from onecard.errors import SandboxError
from onecard.sandbox.common.controller import BUNDLE, apt_lines, carried_environment, parse_release
from onecard.sandbox.common.sources import (
    Source,
    main_source,
    parse_deb822,
    parse_list,
    sources_text,
    vendor_sources,
)
from onecard.sandbox.nspawn.resolver import resolv_conf

VENDOR = {"Signed-By": "/usr/share/keyrings/debian-archive-keyring.gpg"}
THIRD_PARTY = {"Signed-By": "/usr/share/keyrings/tools.gpg"}

STANZAS = """\
# the vendor's
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Enabled: no
Types: deb
URIs: http://off.example
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example
Suites: bookworm
Components: main

types: deb
uris: https://inline.example
suites: ./
signed-by:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 AAAA
"""


def test_stanzas() -> None:
    vendor, inline = parse_deb822(STANZAS)
    assert vendor == Source(
        ("http://mirror.example/debian",), ("bookworm", "bookworm-updates"), ("main",), VENDOR
    )
    assert inline.options["Signed-By"].endswith("\n .\n AAAA")
    assert inline.keyring == ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("deb http://a.example/ubuntu jammy main universe",
         [Source(("http://a.example/ubuntu",), ("jammy",), ("main", "universe"))]),
        ("deb [arch=amd64,arm64 signed-by=/k.gpg trusted=yes] https://a.example jammy main # note",
         [Source(("https://a.example",), ("jammy",), ("main",),
                 {"Architectures": "amd64 arm64", "Signed-By": "/k.gpg", "Trusted": "yes"})]),
        ("deb-src http://a.example jammy main", []),
        ("# deb http://a.example jammy main", []),
        ("", []),
    ],
)  # fmt: skip
def test_lines(line: str, expected: list[Source]) -> None:
    assert parse_list(line) == expected


def source(suites: str, components: str = "main", uri: str = "http://a", **options: str) -> Source:
    named = {key.replace("_", "-"): value for key, value in options.items()}
    return Source((uri,), tuple(suites.split()), tuple(components.split()), named)


@pytest.mark.parametrize(
    ("sources", "stored"),
    [
        # a third party with the release's own suite and component names, recognized by its keyring
        ([source("bookworm", **VENDOR), source("bookworm", uri="http://b", **THIRD_PARTY)],
         [source("bookworm", **VENDOR)]),
        # a third party's component, suite or channel
        ([source("bookworm"), source("bookworm", "stable"), source("nodistro"),
          source("bookworm-pgdg"), source("tools-bookworm")],
         [source("bookworm")]),
        # only the release's pockets and the archive's components of a mixed source
        ([source("bookworm bookworm-security trixie", "main extra")],
         [source("bookworm bookworm-security")]),
        # there is only a mirror that signs again
        ([source("bookworm", **THIRD_PARTY)], [source("bookworm", **THIRD_PARTY)]),
        ([source("bookworm"), source("bookworm", uri="cdrom:[disc]/")], [source("bookworm")]),
    ],
)  # fmt: skip
def test_only_the_vendors_sources_are_retained(sources: list[Source], stored: list[Source]) -> None:
    assert vendor_sources(sources, "bookworm") == stored


def test_the_base_comes_from_main_of_the_release() -> None:
    wanted = source("bookworm", "main contrib")
    assert main_source([source("bookworm-security"), wanted], "bookworm") is wanted
    assert main_source([source("bookworm-security")], "bookworm") is None


def test_rendered_sources_read_the_same_again() -> None:
    sources = parse_deb822(STANZAS)[:1] + parse_list("deb [trusted=yes] file:/srv/m bookworm main")
    assert parse_deb822(sources_text(sources)) == sources
    assert sources[1].folders == ("/srv/m",)
    assert sources[1].trusted


# From `apt-config dump` on Debian 12, with a proxy and TLS settings added.
DUMP = """\
APT "";
APT::Architecture "amd64";
Acquire "";
Acquire::cdrom::mount "/media/cdrom/";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::http::Proxy-Auto-Detect "/usr/local/bin/find-proxy";
Acquire::https "";
Acquire::https::CAInfo "/etc/corporate/ca.pem";
Acquire::IndexTargets::deb::DEP-11::MetaKey "$(COMPONENT)/dep11/Components.yml";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Check-Valid-Until "false";
Acquire::Languages "";
Acquire::Languages:: "none";
DPkg::Pre-Install-Pkgs:: "/usr/sbin/dpkg-preconfigure --apt || true";
"""


def test_apt_settings_of_the_way_to_the_archive_are_carried() -> None:
    assert apt_lines(DUMP).splitlines() == [
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::https::CAInfo "/etc/corporate/ca.pem";',
        'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";',
        'Acquire::Check-Valid-Until "false";',
        'Acquire::Languages:: "none";',
    ]


def test_environment_carries_proxies_and_points_at_the_boxes_own_bundle() -> None:
    here = {
        "https_proxy": "http://proxy.example:3128",
        "NO_PROXY": "localhost",
        "REQUESTS_CA_BUNDLE": "/home/me/ca.pem",
        "SSL_CERT_FILE": "",
        "TOKEN": "secret",
    }
    assert carried_environment(here) == {
        "https_proxy": "http://proxy.example:3128",
        "NO_PROXY": "localhost",
        "REQUESTS_CA_BUNDLE": BUNDLE,
    }


STUB = "# stub\nnameserver 127.0.0.53\noptions edns0\n"
REAL = "nameserver 192.0.2.53\nnameserver fe80::1%eth0\nsearch example\n"


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([REAL], REAL),
        ([STUB, REAL], REAL),
        (["nameserver ::1\n" + REAL], REAL),
    ],
)
def test_name_servers_on_the_loopback_are_no_use_to_a_box(
    candidates: list[str], expected: str
) -> None:
    assert resolv_conf(*candidates) == expected


def test_no_reachable_name_server_is_one_clear_line() -> None:
    with pytest.raises(SandboxError, match=r"resolv\.conf names no server outside the loopback"):
        resolv_conf(STUB)


def test_release() -> None:
    assert parse_release('ID=debian\nVERSION_CODENAME="bookworm"\n') == ("debian", "bookworm")
    with pytest.raises(SandboxError, match="needs Debian or Ubuntu on this computer, not fedora"):
        parse_release("ID=fedora\nVERSION_CODENAME=\n")
