"""Templates, and a command's words in a unit file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onecard.errors import UsageError
from onecard.templates import FOLDER, render, unit_word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("serve", "serve"),
        ("--port=8000", "--port=8000"),
        ("", '""'),
        ("two words", '"two words"'),
        ('{"method":"mtp"}', '"{\\"method\\":\\"mtp\\"}"'),
        ("100%", "100%%"),
        ("$HOME", '"$$HOME"'),
        ("back\\slash", '"back\\\\slash"'),
        (";", '";"'),
        ("it's", '"it\'s"'),
        ("a\nb", '"a\\nb"'),
        (8000, "8000"),
    ],
)
def test_unit_word(text: object, word: str) -> None:
    assert unit_word(text) == word


@pytest.mark.parametrize("text", ['a "b" \\c', "%i $x", "x\ny", "  ", "#", "ä", '\\"'])
def test_a_unit_word_reads_back_as_the_text(text: str) -> None:
    word = unit_word(text)
    assert "\n" not in word
    inner = word[1:-1] if word.startswith('"') else word
    read = re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), inner)
    assert read.replace("%%", "%").replace("$$", "$") == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a {{ nothing }}", "templates/t.j2: 'nothing' is undefined; no setting gives it"),
        ("{{ value.attribute }}", "has no attribute 'attribute'; no setting gives it"),
        ("{% if nothing %}x{% endif %}", "'nothing' is undefined"),
        ("one\n{% if %}", "templates/t.j2:2: "),
        ("{% include 'other.j2' %}", "templates/other.j2: no such template"),
    ],
)
def test_a_wrong_template_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.j2").write_text(text)
    with pytest.raises(UsageError) as caught:
        render("t.j2", {"value": 1}, tmp_path)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def test_text_comes_out_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "t.j2").write_text("{% if yes %}\n<{{ text }}>\n{% endif %}\nend\n")
    assert render("t.j2", {"yes": True, "text": "a&'b"}, tmp_path) == "<a&'b>\nend\n"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.j2")), ids=lambda path: path.name)
def test_no_shipped_template_fills_a_gap_in_silence(path: Path) -> None:
    with pytest.raises(UsageError, match="no setting gives it"):
        render(path.name, {})
