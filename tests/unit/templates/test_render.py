"""Templates: what is missing, and what is emitted without its quoting, is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.errors import UsageError
from onecard.templates.render import FOLDER, render


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a {{ nothing }}", "templates/t.j2: 'nothing' is undefined; no setting defines it"),
        ("{{ nothing | unit_value }}", "'nothing' is undefined; no setting defines it"),
        ("{{ value }}", "templates/t.j2: value is emitted without a filter; use: number, "),
        ("{{ value | unit_value | upper }}", "is emitted without a filter; use"),
        ("{{ text | unit_value }}", "templates/t.j2: text holds a control character"),
        ("{{ text | number }}", "templates/t.j2: text is not a number"),
        ("{{ [value, text] | unit_words }}", "templates/t.j2: text holds a control character"),
        ("{{ value.attribute }}", "has no attribute 'attribute'; no setting defines it"),
        ("{% if nothing %}x{% endif %}", "'nothing' is undefined"),
        ("one\n{% if %}", "templates/t.j2:2: "),
        ("{% include 'other.j2' %}", "templates/other.j2: no such template"),
    ],
)
def test_a_wrong_template_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.j2").write_text(text)
    with pytest.raises(UsageError) as caught:
        render("t.j2", {"value": 1, "text": "a\nb"}, tmp_path)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def test_text_comes_out_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("{% if yes %}\n<{{ text | unit_value }}>\n{% endif %}\nend\n")
    assert render("t.j2", {"yes": True, "text": "a&'b"}, tmp_path) == "<a&'b>\nend\n"


def test_text_for_a_page_is_escaped(tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("<{{ text }}>")
    assert render("t.j2", {"text": "a&<b"}, tmp_path, escape=True) == "<a&amp;&lt;b>"


FILLED = [path for path in sorted(FOLDER.glob("*.j2")) if "{{" in path.read_text()]


@pytest.mark.parametrize("path", FILLED, ids=lambda path: path.name)
def test_no_shipped_template_fills_a_gap_in_silence(path: Path) -> None:
    with pytest.raises(UsageError, match="no setting defines it"):
        render(path.name, {})
