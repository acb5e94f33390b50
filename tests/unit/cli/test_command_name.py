"""What is printed names the command that was typed, and no other text changes."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

import tasks
from onecard.cli.command_name import NamedStream


def printed(text: str) -> str:
    out = io.StringIO()
    stream = NamedStream(out, tuple(tasks.namespace.task_names))
    print(text, file=stream, end="")
    return out.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run `invoke trust --host a`", "run `onecard trust --host a`"),
        ("invoke deploy && invoke smoke", "onecard deploy && onecard smoke"),
        ("invoke sandbox.up", "onecard sandbox.up"),
        ("see invoke --help COMMAND", "see onecard --help COMMAND"),
        ("failed to invoke kernel k", "failed to invoke kernel k"),
        ("invoke deployment", "invoke deployment"),
        ("reinvoke deploy", "reinvoke deploy"),
    ],
)
def test_only_a_command_is_renamed(text: str, shown: str) -> None:
    assert printed(text) == shown


def test_it_is_the_stream_in_all_else() -> None:
    out = io.StringIO()
    stream = NamedStream(out, ("deploy",))
    assert stream.write("invoke deploy") == len("invoke deploy")
    stream.writelines(["; ", "invoke deploy"])
    assert stream.getvalue() == "onecard deploy; onecard deploy"
    Console(file=stream, width=40).print("[bold]invoke deploy[/]")
    assert out.getvalue().endswith("onecard deploy\n")
