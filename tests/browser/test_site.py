"""The documentation site opens from disk: whole, readable on a phone, its search included."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from onecard.project import PROJECT
from tests.support.chromium import Chromium

pytest.importorskip("mkdocs", reason="make docs installs mkdocs")
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=PROJECT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as chromium:
        yield chromium


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["index", "settings", "architecture", "troubleshooting", "report"])
def test_a_page_loads_nothing_from_elsewhere_and_fits(
    name: str, width: int, site: Path, browser: Chromium
) -> None:
    visit = browser.visit(site / f"{name}.html", width=width)
    assert [url for url in visit.requests if not url.startswith(site.as_uri())] == []
    assert visit.messages == []
    page = "document.documentElement"
    assert browser.evaluate(f"{page}.scrollWidth <= {page}.clientWidth")


def test_the_search_works_without_a_server(site: Path, browser: Chromium) -> None:
    browser.visit(site / "index.html", width=1280)
    browser.evaluate("document.querySelector('[data-md-component=search-query]').focus()")
    browser.call("Input.insertText", text="rollback")
    browser.call("Input.dispatchKeyEvent", type="keyUp", key="k")
    deadline = time.monotonic() + 60
    found = ""
    while "matching documents" not in found and time.monotonic() < deadline:
        found = browser.evaluate("document.querySelector('.md-search-result__meta').innerText")
    assert "No matching" not in found
    links = browser.evaluate(
        "[...document.querySelectorAll('.md-search-result__link')].map(link => link.href).join(' ')"
    )
    assert "deploying.html" in links
