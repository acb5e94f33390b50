"""What systemd, nginx and a shell make of the files that are written, by the rules of their manuals."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

SYSTEM_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
_ESCAPES = {"n": "\n", "t": "\t", "s": " "}


def assignments(text: str) -> list[tuple[str, str, str]]:
    """Return (section, key, value) of each line of a unit (systemd.syntax(7))."""
    found, section = [], ""
    for line in re.sub(r"(?<!\\)((?:\\\\)*)\\\n", r"\1 ", text).split("\n"):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if stripped.startswith("["):
            section = stripped
            continue
        key, sign, value = stripped.partition("=")
        assert sign, line
        found.append((section, key.strip(), value.strip()))
    return found


def command_words(value: str) -> list[str]:
    """Return the words that ExecStart= runs (systemd.service(5)); nothing is in the environment."""
    words, position = [], 0
    token = re.compile(r'(?:"((?:\\.|[^"\\])*)"|([^\s"\'\\]+))(?:\s+|$)')
    while position < len(value):
        match = token.match(value, position)
        assert match, value[position:]
        position = match.end()
        word = match[1] if match[2] is None else match[2]
        word = re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), word)
        assert "%" not in word.replace("%%", ""), f"a specifier in {word!r}"
        assert "$" not in word.replace("$$", ""), f"a variable in {word!r}"
        words.append(word.replace("%%", "%").replace("$$", "$"))
    return words


def variables(text: str) -> dict[str, str]:
    """Return what an EnvironmentFile= sets (systemd.exec(5)): plain or double-quoted values."""
    found = {}
    for line in text.split("\n"):
        if not line or line[0] in "#;":
            continue
        match = re.fullmatch(r'(\w+)=(?:"((?:\\.|[^"\\])*)"|([^"\'\\\s]*))', line)
        assert match, line
        value = match[3] if match[2] is None else re.sub(r"\\(.)", r"\1", match[2])
        found[match[1]] = value
    return found


def verified(units: Sequence[str], folder: Path) -> list[set[str]] | None:
    """Return what systemd-analyze reports of each unit, without its name; None where it is missing."""
    program = shutil.which("systemd-analyze", path=SYSTEM_PATH)
    if program is None:
        return None
    paths = [folder / f"planted{number}.service" for number in range(len(units))]
    for path, text in zip(paths, units, strict=True):
        path.write_text(text)
    done = subprocess.run([program, "verify", *paths], capture_output=True, text=True)
    message: list[set[str]] = [set() for _ in units]
    for line in done.stderr.splitlines():
        named = re.search(r"planted([0-9]+)\.service", line)
        if named:
            words = re.sub(r"\S*planted[0-9]+\.service(:[0-9]+)?", "UNIT", line)
            message[int(named[1])].add(words)
    return message


def nginx_directives(text: str) -> list[list[str]]:
    """Return each directive of a configuration as its words; a block opens with `{`."""
    token = re.compile(
        r"#[^\n]*|\s+|\"((?:\\.|[^\"\\])*)\"|'((?:\\.|[^'\\])*)'|([{};])|([^\s{};]+)"
    )
    found: list[list[str]] = [[]]
    position = 0
    while position < len(text):
        match = token.match(text, position)
        assert match, text[position : position + 40]
        position = match.end()
        if match[3]:
            found[-1] += match[3] if match[3] != ";" else ""
            found.append([])
        elif match[0][0] != "#" and not match[0].isspace():
            parts = (match[1], match[2], match[4])
            word = next(part for part in parts if part is not None)
            found[-1].append(re.sub(r"\\([\\\"'])", r"\1", word))
    return found


def ran(scripts: Sequence[str], folder: Path) -> list[str]:
    """Return those scripts that run `touch`, in a bash that can run nothing else and write nothing.

    A restricted bash runs no program by its path and opens no file to write.
    """
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    mark = folder / "mark"
    lines = {"touch": f": >{mark}", "dirname": "echo /", "date": "echo 9999999999"}
    for name, line in lines.items():
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    found = []
    for script in scripts:
        subprocess.run(
            ["/bin/bash", "--norc", "-r"], input=script.encode(errors="replace"),
            env={"PATH": str(programs)}, cwd=programs, capture_output=True, timeout=10,
        )  # fmt: skip
        if mark.exists():
            mark.unlink()
            found.append(script)
    return found
