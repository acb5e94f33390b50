"""Parse the words of a unit file's command lines by systemd's rules: the inverse of quoting.

Standard library alone: it also runs on the box. Rules: systemd.syntax(7) for lines, quotes and
escapes, systemd.service(5), COMMAND LINES, for prefixes and `$$`, systemd.unit(5) for `%%`.
Specifiers and variables that only systemd can resolve (`%h`, `${NAME}`) stay as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_BLANK = " \t\n\r"
_PREFIXES = "@-:+!|"
_LETTERS = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", '"': '"', "'": "'", "s": " ",
}  # fmt: skip
_ESCAPE = re.compile(
    r"\\(?:x(?P<hex>[0-9a-fA-F]{2})|(?P<octal>[0-3][0-7]{2})|u(?P<short>[0-9a-fA-F]{4})"
    r"|U(?P<long>[0-9a-fA-F]{8})|(?P<letter>[abfnrtv\\\"'s]))"
)


def assigned(unit: str, section: str, key: str) -> list[str]:
    """Return the values of a key in a unit file's text; an empty value clears those before it."""
    found: list[str] = []
    here = ""
    for line in _lines(unit):
        if line.startswith("[") and line.endswith("]"):
            here = line[1:-1]
            continue
        name, equals, value = line.partition("=")
        if equals and here == section and name.strip() == key:
            value = value.strip(_BLANK)
            found = [*found, value] if value else []
    return found


def command(unit: str) -> tuple[str, ...]:
    """Return the first command line of a service's unit file, its program without its prefixes.

    Empty where the unit has none. Raises ValueError as `words` does.
    """
    lines = assigned(unit, "Service", "ExecStart")
    if not lines:
        return ()
    bare = lines[0].lstrip(_PREFIXES)
    verbatim = ":" in lines[0][: len(lines[0]) - len(bare)]
    return tuple(word if verbatim else word.replace("$$", "$") for word in words(bare))


def variables(unit: str) -> dict[str, str]:
    """Return the variables in a service's Environment= lines."""
    given = [word for line in assigned(unit, "Service", "Environment") for word in words(line)]
    return {name: value for name, equals, value in (w.partition("=") for w in given) if equals}


def options(given: Sequence[str]) -> dict[str, str]:
    """Return the flags of a command line, each with the word after it."""
    pairs = zip(given, [*given[1:], ""], strict=False)  # no words: no pairs
    return {word[2:]: following for word, following in pairs if word.startswith("--")}


def words(value: str) -> tuple[str, ...]:
    """Return a value's words: unquoted, escapes resolved, `%%` as `%`.

    Raises ValueError when a quote is not closed; systemd refuses such a line.
    """
    found: list[str] = []
    at = 0
    while (at := _past_blanks(value, at)) < len(value):
        word, at = _word(value, at)
        found.append(word.replace("%%", "%"))
    return tuple(found)


def _lines(unit: str) -> list[str]:
    """Return a unit file's lines, continued ones joined by a blank, without its comments."""
    found: list[str] = []
    begun = ""
    for line in unit.split("\n"):
        if line.lstrip(_BLANK).startswith(("#", ";")):
            continue
        if line.endswith("\\"):
            begun += line[:-1] + " "
            continue
        found.append((begun + line).strip(_BLANK))
        begun = ""
    return [*found, begun.strip(_BLANK)]


def _past_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANK:
        at += 1
    return at


def _word(text: str, at: int) -> tuple[str, int]:
    """Return the word that begins at `at`, and where it ends."""
    word = bytearray()
    quote = ""
    while at < len(text):
        letter = text[at]
        if letter == "\\":
            escaped, at = _escape(text, at)
            word += escaped
            continue
        at += 1
        if quote:
            if letter == quote:
                quote = ""
                continue
        elif letter in "\"'":
            quote = letter
            continue
        elif letter in _BLANK:
            break
        word += letter.encode("utf-8", "surrogatepass")
    if quote:
        raise ValueError(f"the quote {quote} is not closed")
    return word.decode("utf-8", "replace"), at


def _escape(text: str, at: int) -> tuple[bytes, int]:
    """Return the bytes of the escape at `at`, and where it ends; an unknown one stands for itself.

    Hexadecimal and octal escapes are bytes, several of which may form one letter.
    """
    found = _ESCAPE.match(text, at)
    if found is None:
        return b"\\", at + 1
    if found["letter"]:
        return _LETTERS[found["letter"]].encode(), found.end()
    number = int(found["octal"] or found[found.lastgroup or ""], 8 if found["octal"] else 16)
    if number == 0 or number > 0x10FFFF or 0xD800 <= number < 0xE000:
        return b"\\", at + 1
    one_byte = found["hex"] or found["octal"]
    return bytes([number]) if one_byte else chr(number).encode(), found.end()
