"""The report in a real browser: nothing missing, nothing loaded, nothing too wide, nothing said."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import sample_runs as sample
from tests.support.chromium import Chromium, executable

PROJECT = Path(__file__).resolve().parents[2]
INVOKE = Path(sys.executable).parent / "invoke"
SANDBOX_RUNS = PROJECT / "tests" / "unit" / "fixtures" / "runs"
HOSTILE = '<script>document.title="owned"</script><img src="https://example.com/x.png" onerror="1">'
LONG = "unbreakable" * 40
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    if not executable():
        pytest.fail("no Chromium here; `make test` installs it (Debian: apt-get install chromium)")
    with Chromium() as chromium:
        yield chromium


def written(runs: Path, out: Path, *words: str) -> Path:
    done = subprocess.run(
        [INVOKE, "report", *words, "--out", str(out)],
        cwd=PROJECT,
        env={**os.environ, "ONECARD_RUNS": str(runs), "ONECARD_HOST": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("report")
    sample.write(sample.all_runs(), folder / "runs")
    hostile = sample.smoke(wrong={"01-colour": HOSTILE, "02-colour": LONG}, blind=True)
    slow = [
        sample.run("deploy", "2026-11-21T08:00:00Z", sample.failed_deploy()),
        sample.run("smoke", "2026-11-21T09:00:00Z", [sample.FACTS, sample.server(65536), *hostile]),
        sample.run("stress", "2026-11-21T10:00:00Z", sample.stress(worst=0.2)),
        sample.run("bench", "2026-11-21T11:00:00Z", sample.bench(factor=1.5)),
    ]
    sample.write([*sample.all_runs(), *slow], folder / "slow")
    return {
        "full": written(folder / "runs", folder / "full.html", "--host", sample.HOST),
        "faulty": written(folder / "slow", folder / "faulty.html", "--host", sample.HOST),
        "compared": written(
            folder / "slow", folder / "compared.html",
            "--compare", f"{sample.HOST}@2026-11-20", sample.HOST,
        ),
        "sandbox": written(with_peaks(folder / "box"), folder / "sandbox.html", "--host", "box1"),
        "docs": PROJECT / "docs" / "report-sandbox.html",
    }  # fmt: skip


def with_peaks(folder: Path) -> Path:
    """Return a copy of the sandbox's records with the memory that they were made too early for."""
    shutil.copytree(SANDBOX_RUNS, folder)
    for path in folder.glob("box1/*-scale.jsonl"):
        events = [json.loads(line) for line in path.read_text().splitlines()]
        for event in events:
            if event["event"] == "row" and event["configured"] == "yes":
                event["process_peak_gib"] = 1.9
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder


@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("name", ["full", "faulty", "compared", "sandbox", "docs"])
def test_a_page_is_whole_and_alone(
    browser: Chromium, pages: dict[str, Path], name: str, width: int
) -> None:
    visit = browser.visit(pages[name], width=width)
    assert visit.requests == []
    assert visit.messages == []
    assert browser.evaluate("document.title") != "owned"
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.querySelectorAll('script').length") == 0
    broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt)"
    assert browser.evaluate(broken) == []


# Without the numbers of those that come once for each place of the picture, or kind of load.
PLOTS = {
    "memory-bar", "scaling-chart", "start-bar", "grounding-curve", "grounding-kinds",
    "stress-latency", "load-curve", "load-ttft", "load-tpot",
}  # fmt: skip
SOAK = {"soak-latency", "soak-memory", "soak-cards"}  # of the invented host alone
SHOWN = """Object.fromEntries([...document.querySelectorAll('figure.plot')].map(figure => {
    const shown = [...figure.querySelectorAll('svg')].filter(svg => svg.getBoundingClientRect().width);
    const box = shown[0].getBoundingClientRect();
    return [figure.id, {
        count: shown.length, width: box.width, height: box.height,
        texts: shown[0].querySelectorAll('text').length,
        drawn: [...shown[0].querySelectorAll('path, use')].filter(
            shape => shape.getBoundingClientRect().width > 1).length,
        smallest: Math.min(...[...shown[0].querySelectorAll('text')].map(
            text => text.getBoundingClientRect().height)),
        outside: [...shown[0].querySelectorAll('text')].filter(text => {
            const place = text.getBoundingClientRect();
            return place.left < box.left - 12 || place.right > box.right + 12;
        }).map(text => text.textContent),
        touching: [...shown[0].querySelectorAll('text')].flatMap((one, at, all) => {
            const a = one.getBoundingClientRect();
            return all.slice(at + 1).filter(two => {
                const b = two.getBoundingClientRect();
                return Math.min(a.right, b.right) - Math.max(a.left, b.left) > 3
                    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 6;
            }).map(two => one.textContent + ' / ' + two.textContent);
        }),
        named: !!shown[0].querySelector('title').textContent
            && shown[0].querySelector('desc').textContent.length > 40,
    }];
}))"""


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["full", "sandbox", "docs"])
def test_every_plot_is_drawn_readable_and_described(
    browser: Chromium, pages: dict[str, Path], name: str, width: int
) -> None:
    browser.visit(pages[name], width=width)
    plots = browser.evaluate(SHOWN)
    kinds = {key.rstrip("-0123456789") for key in plots}
    assert kinds == (PLOTS | SOAK if name == "full" else PLOTS)
    if name == "full":
        assert len(plots) == 15
    for key, plot in plots.items():
        assert plot["count"] == 1, key
        assert plot["height"] > 90, key
        assert plot["texts"] >= 4, key
        assert plot["drawn"] >= 4, key
        assert plot["smallest"] > 9, f"{key}: text of {plot['smallest']:.1f} pixels"
        assert plot["outside"] == [], key
        assert plot["touching"] == [], key
        assert plot["named"], key


def test_dark_and_light_differ_and_both_have_contrast(
    browser: Chromium, pages: dict[str, Path]
) -> None:
    contrast = """(() => {
        const luminance = colour => {
            const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(part => {
                const share = part / 255;
                return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
            });
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
        };
        const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const paper = luminance(getComputedStyle(document.body).backgroundColor);
        const texts = [...document.querySelectorAll('p, td, th, dt, dd, figcaption, .verdict, svg text')];
        return Math.min(...texts.map(text => {
            const style = getComputedStyle(text);
            return ratio(luminance(text.closest('svg') ? style.fill : style.color), paper);
        }));
    })()"""
    papers = []
    for dark in (False, True):
        browser.visit(pages["faulty"], width=1280, dark=dark)
        papers.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
        # 4.5: WCAG 2.2, success criterion 1.4.3.
        assert browser.evaluate(contrast) >= 4.5
    assert papers == ["rgb(255, 255, 255)", "rgb(23, 24, 26)"]


def test_numbers_stand_in_line(browser: Chromium, pages: dict[str, Path]) -> None:
    """Cells of a column have as many decimals as each other and end at the same place."""
    browser.visit(pages["full"], width=1280)
    columns = browser.evaluate("""[...document.querySelectorAll('table')].flatMap(table => {
        const rows = [...table.querySelectorAll('tbody tr')];
        return [...rows[0].cells].map((_, place) => rows.map(row => row.cells[place]))
            .filter(cells => cells[0].classList.contains('number'))
            .map(cells => ({
                table: table.id,
                ends: [...new Set(cells.map(cell => {
                    const range = document.createRange();
                    range.selectNodeContents(cell);
                    return Math.round(range.getBoundingClientRect().right);
                }))],
                decimals: [...new Set(cells.map(cell => cell.textContent.trim())
                    .filter(text => /^-?[\\d.,]+$/.test(text))
                    .map(text => (text.split('.')[1] || '').length))],
            }));
    })""")
    assert len(columns) > 20
    assert [column for column in columns if len(column["ends"]) > 1] == []
    assert [column for column in columns if len(column["decimals"]) > 1] == []


HIDDEN = """[...document.querySelectorAll('.table')]
    .filter(box => box.scrollWidth > box.clientWidth + 1)
    .map(box => ({
        shade: getComputedStyle(box).backgroundImage.split('gradient').length,
        caption: box.querySelector('caption span').getBoundingClientRect().right,
    }))"""


def test_a_table_that_is_wider_than_a_phone_shows_it(
    browser: Chromium, pages: dict[str, Path]
) -> None:
    browser.visit(pages["compared"], width=390)
    tables = browser.evaluate(HIDDEN)
    assert tables
    assert all(table["shade"] > 2 and table["caption"] <= 390 for table in tables)
    browser.visit(pages["full"], width=390)
    seen = browser.evaluate("""[...document.querySelectorAll('#stress-table thead th')]
        .filter(head => head.getBoundingClientRect().right <= 390).map(head => head.textContent)""")
    assert any(head.startswith("right") for head in seen), seen


def test_the_lock_is_folded_away_and_whole(browser: Chromium, pages: dict[str, Path]) -> None:
    browser.visit(pages["full"], width=390)
    height = "document.querySelector('#lock').getBoundingClientRect().height"
    folded = browser.evaluate(height)
    browser.evaluate("document.querySelector('#lock').open = true")
    assert browser.evaluate(height) > folded + 200
    text = browser.evaluate("document.querySelector('#lock pre').textContent")
    assert "transformers: 5.2.0" in text
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390


def test_it_prints(browser: Chromium, pages: dict[str, Path]) -> None:
    browser.visit(pages["full"], width=1280, dark=True)
    breaks = "[...document.querySelectorAll('.caption')].map(e => getComputedStyle(e).breakAfter)"
    assert set(browser.evaluate(breaks)) == {"avoid"}  # no caption is left alone at a page's foot
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF")
    count = pdf.count(b"/Type /Page\n") or pdf.count(b"/Type/Page\n") or pdf.count(b"/Type /Page")
    assert 4 <= count <= 30
