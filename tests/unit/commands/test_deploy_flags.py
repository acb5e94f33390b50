"""deploy's flags: one for each setting of `serve`, and none that is typed by mistake."""

from __future__ import annotations

import pytest
from invoke import Exit
from invoke.parser import Parser, ParserContext

import tasks
from onecard.commands.deploy_flags import flags
from onecard.settings.serve_settings import ServeSettings


def given(*words: str) -> dict[str, object]:
    """Return the settings that a command line gives, by path."""
    context = ParserContext("deploy", args=tasks.deploy.get_arguments())
    (typed,) = Parser(contexts=[context]).parse_argv(["deploy", *words])
    found = flags(typed.as_kwargs).values()
    return {path: value for path, value in found if value is not None}


def test_every_setting_has_a_flag() -> None:
    given = flags({flag.name: None for flag in tasks.deploy.get_arguments()})
    assert {path for path, _ in given.values()} == {
        f"serve.{name}" for name in ServeSettings.model_fields
    } | {
        "model.source",
        "model.name",
    }


def test_what_is_not_given_is_left_to_the_settings() -> None:
    assert given() == {}
    assert given("--ctx", "8192", "--force") == {"serve.ctx": "8192"}


@pytest.mark.parametrize(
    "name", ["language_model_only", "enable_prefix_caching", "enforce_eager", "rollback"]
)
def test_a_switch_goes_both_ways(name: str) -> None:
    flag = name.replace("_", "-")
    assert given(f"--{flag}") == {f"serve.{name}": True}
    assert given(f"--no-{flag}") == {f"serve.{name}": False}


def test_extra_arguments_are_words() -> None:
    words = "--seed 0 --chat-template 'a b'"
    assert given("--extra-args", words) == {
        "serve.extra_args": ["--seed", "0", "--chat-template", "a b"]
    }


def test_no_flag_is_one_letter() -> None:
    for flag in tasks.deploy.get_arguments():
        names = [name for name in flag.names if name != "e"]  # Ansible's letter for --set
        assert min(len(name) for name in names) > 1
    with pytest.raises(Exit) as caught:
        given("-e")
    assert caught.value.code == 2
