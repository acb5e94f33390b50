"""A secret is shown only by an explicit call."""

from __future__ import annotations

import copy
import io
import json
import pickle
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from onecard.credentials.secret import Secret
from onecard.ssh.prompts import Prompts

VALUE = "hunter2-kX9"


@dataclass(frozen=True)
class Login:
    user: str
    password: Secret


@pytest.mark.parametrize(
    "shown",
    [
        str(Secret(VALUE)),
        repr(Secret(VALUE)),
        f"{Secret(VALUE)}",
        f"{Secret(VALUE):>20}",
        f"{Secret(VALUE)!r}",
        "%s" % Secret(VALUE),  # noqa: UP031
        repr(Login("root", Secret(VALUE))),
        repr({"password": [Secret(VALUE)]}),
        repr(ValueError(Secret(VALUE))),
    ],
)
def test_only_asterisks_are_shown(shown: str) -> None:
    assert VALUE not in shown
    assert "*" in shown


def test_the_value_is_there_for_its_users() -> None:
    assert Secret(VALUE).reveal() == VALUE


def test_it_has_no_way_out_beside_reveal() -> None:
    secret = Secret(VALUE)
    assert not hasattr(secret, "__dict__")
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError, match="never pickled"):
        copy.deepcopy(secret)
    with pytest.raises(TypeError):
        json.dump(secret, io.StringIO())


def test_equality() -> None:
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


@pytest.mark.parametrize(
    ("variable", "ask"),
    [
        ("ONECARD_SSH_PASSWORD", Prompts.ssh_password),
        ("ONECARD_KEY_PASSPHRASE", Prompts.passphrase),
        ("ONECARD_SUDO_PASSWORD", Prompts.sudo_password),
    ],
)
def test_the_environment_answers_prompts(variable, ask) -> None:
    assert ask(Prompts({variable: VALUE}), "root@box") == Secret(VALUE)


def test_without_environment_and_terminal_nobody_answers() -> None:
    # pytest gives the tests a standard input that is not a terminal.
    prompts = Prompts({})
    assert prompts.ssh_password("root@box") is None
    assert prompts.confirm("Trust it?") is False


def test_a_password_is_typed_once_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection that puts a box right comes later, when the terminal may be gone."""
    typed = []

    def getpass(question: str, stream: object) -> str:
        typed.append(question)
        return VALUE

    terminal = iter([True, True])
    monkeypatch.setattr("onecard.ssh.prompts._typed", {})
    monkeypatch.setattr("onecard.ssh.prompts.getpass.getpass", getpass)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: next(terminal, False)))
    for login in ("root@one", "root@two", "root@one", "root@two"):
        assert Prompts({}).sudo_password(login) == Secret(VALUE)
    assert len(typed) == 2
    assert Prompts({}).sudo_password("root@three") is None
