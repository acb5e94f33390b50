"""Command lines of a unit file are read by systemd's rules: what is quoted there reads back."""

from __future__ import annotations

import random

import pytest

from onecard.box import unit_words
from onecard.templates.quoting import unit_word
from onecard.templates.render import render

ODD = [
    "a b", " leading", "trailing ", "back\\slash", "\\x20", "\\\\", "ends in \\", 'say "x"', "it's",
    "100%", "%%", "%i", "$HOME", "$$", "${X}", ";", "#", "", "ä €",
    "--flag", '{"a": ["b c", 1]}', "@-:+!|",
]  # fmt: skip


def unit(*command: str) -> str:
    return "[Service]\nExecStart=" + " ".join(unit_word(word) for word in command) + "\n"


@pytest.mark.parametrize("text", ODD)
def test_a_word_reads_back(text: str) -> None:
    assert unit_words.command(unit("/bin/x", text, "last")) == ("/bin/x", text, "last")


def test_any_words_read_back() -> None:
    chance = random.Random(7)
    letters = " \\\"'%$#;={}abnx20u€"
    for _ in range(2000):
        texts = ["".join(chance.choices(letters, k=chance.randrange(9))) for _ in range(3)]
        assert unit_words.command(unit("/bin/x", *texts)) == ("/bin/x", *texts)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a  b\tc", ("a", "b", "c")),
        ('"a\\nb" \\tc \x85\u2028', ("a\nb", "\tc", "\x85\u2028")),
        ("a\\x20b", ("a b",)),
        ("\\u00e4 \\xc3\\xa4 \\303\\244 \\U0001f600", ("ä", "ä", "ä", "😀")),
        ("a\\sb 'c d' \"e f\"g", ("a b", "c d", "e fg")),
        ("'' \"\"", ("", "")),
        ("\\q \\x2 a\\", ("\\q", "\\x2", "a\\")),
        ("%% %i", ("%", "%i")),
        ("'a\"b' \"c'd\"", ('a"b', "c'd")),
    ],
)
def test_systemd_syntax(value: str, words: tuple[str, ...]) -> None:
    assert unit_words.words(value) == words


@pytest.mark.parametrize("value", ["'a", 'a "b', '"'])
def test_an_open_quote_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="is not closed"):
        unit_words.words(value)


def test_lines_of_a_unit_file() -> None:
    text = (
        "[Unit]\nExecStart=/no\n[Service]\n# ExecStart=/comment\nExecStart=/reset\nExecStart=\n"
        "ExecStart = -/bin/x one \\\n; a comment between\n  two\nExecStartPre=/pre\n"
        'Environment=A=1 "B=x y"\nEnvironment=C=%%\n[Install]\nExecStart=/no\n'
    )
    assert unit_words.command(text) == ("/bin/x", "one", "two")
    assert unit_words.variables(text) == {"A": "1", "B": "x y", "C": "%"}
    assert unit_words.command("[Service]\nExecStart=:/x $$ $A") == unit_words.command(
        "[Service]\nExecStart=/x $$$$ $A"
    )
    assert unit_words.command("[Service]\n") == unit_words.command("") == ()


def test_the_servers_own_unit_reads_back() -> None:
    command = ("/opt/x/bin/vllm", "serve", "/models/a b", "--served-model-name", "a \\ b's %h $y")
    names = "served_name user environment_file api_key_file wait_for_memory memory_share cards"
    names += " ray_unit ray_token"
    text = render(
        "vllm.service.j2",
        {
            **dict.fromkeys(names.split(), "x"),
            "accelerator": "cpu",
            "ctx": 4096,
            "engine_timeout": 600,
            "configuration": "0123",
            "command": command,
        },
    )
    assert unit_words.command(text) == command
    assert unit_words.options(command) == {"served-model-name": "a \\ b's %h $y"}
    assert unit_words.variables(text) == {"ONECARD_CONFIGURATION": "0123"}
