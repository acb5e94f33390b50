"""Each target's quoting, read back by the rules of the target's manual."""

from __future__ import annotations

import json
import subprocess

import pytest

from onecard.templates import quoting
from onecard.templates.quoting import Quoted, UnfitError
from tests.support.written_files import assignments, command_words, nginx_directives, variables

TEXTS = [
    "serve", "", "two words", '{"method":"mtp"}', "100%", "%n", "$HOME", "$$", "back\\slash", ";", "it's",
    'a "b" \\c', "  ", "#", "ä", '\\"', "`x`", "$(x)", "x\\", "x\\\\", "--a=b", "}", "{", "a;b", "%%s", "~",
]  # fmt: skip
CONTROLS = [
    "a\nb",
    "a\rb",
    "a\0b",
    "a\tb",
    "a\x85b",
    "a\u2028b",
    "a\u2029b",
    "a\x1bb",
    "a\ud800b",
    "a\x7f",
]
ONE_LINERS = (
    quoting.unit_value, quoting.unit_word, quoting.file_value, quoting.shell_word,
    quoting.nginx_word, quoting.haproxy_word, quoting.apt_string, quoting.identifier, quoting.number,
)  # fmt: skip


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
        (8000, "8000"),
    ],
)
def test_unit_word(text: object, word: str) -> None:
    assert quoting.unit_word(text) == word


@pytest.mark.parametrize("text", TEXTS)
def test_it_reads_back_as_the_text(text: str) -> None:
    assert command_words(quoting.unit_words(["x", text, "y"])) == ["x", text, "y"]
    assert variables(f"A={quoting.file_value(text)}\nB=c\n") == {"A": text, "B": "c"}
    unit = f"[Unit]\nDescription={quoting.unit_value(text)}\nAfter=x\n"
    (_, _, value), after = assignments(unit)
    assert after == ("[Unit]", "After", "x")
    assert value.replace("%%", "%") == text.strip()
    printed = subprocess.run(
        ["sh", "-c", f"printf %s {quoting.shell_word(text)}"], capture_output=True, check=True
    )
    assert printed.stdout.decode() == text


@pytest.mark.parametrize("text", [text for text in TEXTS if "$" not in text])
def test_nginx_reads_it_back(text: str) -> None:
    first, second, _ = nginx_directives(f"server_name {quoting.nginx_word(text)}; a b;")
    assert (first, second) == (["server_name", text], ["a", "b"])


def test_a_variable_of_a_unit_has_its_dollar() -> None:
    assert quoting.unit_variable("a$b %c", "NAME") == '"NAME=a$b %%c"'
    assert quoting.unit_variable("abc", "NAME") == "NAME=abc"


@pytest.mark.parametrize("quote", ONE_LINERS)
@pytest.mark.parametrize("text", CONTROLS)
def test_no_target_takes_a_control_character(quote: object, text: str) -> None:
    assert callable(quote)
    with pytest.raises(UnfitError) as caught:
        quote(text)
    assert caught.value.value == text
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    ("quote", "value"),
    [
        (quoting.nginx_word, "$host"),
        *((quoting.haproxy_word, text) for text in ("", "a b", "a#b", "$a", 'a"b', "a\\b", "é")),
        (quoting.apt_string, 'a"; x "'),
        (quoting.apt_string, "a\\"),
        (quoting.identifier, "A=B"),
        (quoting.identifier, ""),
        (quoting.number, "1"),
        (quoting.number, True),
    ],
)
def test_what_a_target_has_no_way_to_express_is_refused(quote: object, value: object) -> None:
    assert callable(quote)
    with pytest.raises(UnfitError):
        quote(value)


def test_only_quoted_text_is_marked_as_such() -> None:
    assert type(quoting.number(8000)) is Quoted
    assert json.loads(quoting.number(0.9)) == 0.9
