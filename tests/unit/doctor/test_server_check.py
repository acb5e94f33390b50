"""What doctor reports of the deployed server."""

from __future__ import annotations

import pytest

from onecard.doctor.check import Check
from onecard.doctor.server_check import server
from onecard.server.health import Trouble

TAKEN = "OSError: [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use"


@pytest.mark.parametrize(
    ("active", "journal", "status", "words"),
    [
        ("", "", "ok", "no server is deployed yet"),
        ("active", TAKEN, "ok", "active"),
        ("activating", "", "ok", "activating"),
        ("inactive", "Stopped.", "warning", "the server is inactive"),
        ("failed", TAKEN, "warning", "the server is failed: "),
    ],
)
def test_states(active: str, journal: str, status: str, words: str) -> None:
    check = server(active, journal)
    assert (check.name, check.status) == ("server", status)
    assert words in check.message
    assert bool(check.fix) == (status != "ok")


def test_a_server_that_does_not_answer() -> None:
    hangs = Trouble("the server hangs", "invoke restart")
    assert server("active", "", hangs) == Check("server", "warning", "the server hangs", hangs.fix)
    reported = server("activating", TAKEN, Trouble("the server crashes in a loop", "invoke stop"))
    assert reported.message.startswith("the server crashes in a loop: ")
    assert f"({TAKEN})" in reported.message
    assert "invoke deploy" in reported.fix
    starts = Trouble("the server is starting", "wait", starting=True)
    assert server("active", TAKEN, starts).message == "the server is starting"


def test_the_line_and_what_to_type_are_reported() -> None:
    check = server("failed", TAKEN)
    assert f"({TAKEN})" in check.message
    assert "; on the box: sudo ss -ltnp | grep :8000; type: invoke deploy" in check.fix
    unknown = server("failed", "ValueError: nobody has seen this before")
    assert unknown.message.count("nobody has seen this before") == 1
    assert unknown.fix.endswith("invoke logs")
