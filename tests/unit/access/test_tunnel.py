"""The port that a tunnel listens on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from invoke import Context, Exit

import tasks
from onecard.access.tunnel import listen
from onecard.errors import UnreachableError, UsageError
from onecard.ssh.forward import Channel


def refused() -> Channel:
    raise UnreachableError("not connected")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_apis_own_port_where_it_is_free(taken: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        free = closing.getsockname()[1]
    with ExitStack() as opened:
        assert listen(opened, refused, None, free) == free
    with ExitStack() as opened:
        assert listen(opened, refused, free, taken) == free


def test_another_port_where_the_apis_own_is_taken(taken: int) -> None:
    with ExitStack() as opened:
        assert listen(opened, refused, None, taken) not in (0, taken)


def test_a_requested_port_that_is_taken_is_no_other(taken: int) -> None:
    with ExitStack() as opened, pytest.raises(UsageError, match=rf"--port: {taken} cannot be"):
        listen(opened, refused, taken, 8000)


def test_what_it_leads_to_is_one_of_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exit) as ended:
        tasks.namespace["tunnel"](Context(), to="grafana")
    assert ended.value.code == 2
    assert capsys.readouterr().err == 'error: --to: "grafana" is none of api, metrics\n'
