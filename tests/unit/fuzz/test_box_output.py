"""What a box prints, where a connection, a disk or a program failed it: a value, or an error of onecard's."""

from __future__ import annotations

import base64
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import roles
from onecard.engine.host_plan import RolePlan, make_plan, read_event, read_progress
from onecard.engine.job import run_job
from onecard.engine.listener import EventListener
from onecard.errors import OnecardError
from onecard.facts.teardown import read_teardown_facts
from onecard.fit.on_host import settle
from onecard.inventory.host import Host
from onecard.project import PROJECT
from onecard.server.releases import read_releases
from onecard.server.state import read_state
from onecard.settings.layers import layer, merge
from onecard.ssh.probe_batch import Answer, parse
from tests.support.facts_support import CARD, box, working
from tests.unit.fuzz.texts import LINES

FACTS = box(driver=working("580.95.05"), gpus=(CARD,))


@given(LINES)
def test_the_state_of_the_server(output: str) -> None:
    with suppress(OnecardError):
        state = read_state(output)
        assert state.ctx >= 0
        assert str(state.port) in state.url


@cache
def plans() -> tuple[RolePlan, ...]:
    block = layer({"model": {"source": "./onecard/tiny_model/tiny-vqa"}}, "f", "")
    keys, wanted = merge([block])
    host = Host("box", keys.connection("box", PROJECT), wanted)
    return (*roles.provision(host, FACTS), *roles.deploy(settle(host, FACTS).host, FACTS))


RESOURCES = [resource for plan in plans() for resource in plan.resources]


@given(st.sampled_from(RESOURCES), LINES, st.sampled_from([0, 0, 0, 1, 2, 3, 255]))
def test_a_probes_answer(resource: Any, output: str, code: int) -> None:
    role = RolePlan("role", (resource,))
    with suppress(OnecardError):
        make_plan((role,), {resource.name: Answer(output, code)})
    with pytest.raises(OnecardError, match="gave no answer"):
        make_plan((role,), {})


@example("@onecard-step begin")
@example("@onecard-step end x y")
@example("@onecard-step end 1 2 3")
@example("@onecard-progress nan x")
@given(
    st.text(max_size=20)
    | st.text(max_size=12).map("@onecard-step {}".format)
    | st.text(max_size=12).map("@onecard-progress {}".format)
)
def test_a_line_of_the_job(line: str) -> None:
    event = read_event(line)
    assert event is None or (event.kind in ("begin", "end") and event.index >= 0)
    reported = read_progress(line)
    assert reported is None or 0 <= reported[0] <= 1


@given(LINES, st.text(max_size=30))
def test_a_frame(lines: str, rest: str) -> None:
    with suppress(OnecardError):
        parse(f"{lines}\n@onecard {rest}\n", ["0"])
    listing = base64.b64encode(lines.encode()).decode()
    with suppress(OnecardError):
        parse(f"@onecard {listing}\n", ["0"])


FIELDS = st.lists(
    st.tuples(
        st.sampled_from(
            ["number", "current", "unit", "fingerprint", "holder", "vllm", "result", "about.json",
             "uid", "secret"]
        ),
        st.text(max_size=5).map(lambda text: base64.b64encode(text.encode()).decode())
        | st.sampled_from(["", "1", "x", "²", "9" * 5000, "====", "é", "YWJj", "MA", "/w=="]),
    ).map("=".join), max_size=12,
).map("\n".join)  # fmt: skip


@given(FIELDS)
@example("number=9" + "9" * 5000)
@example("number=1")
def test_the_list_of_releases(output: str) -> None:
    with suppress(OnecardError):
        read_releases(output)


@given(FIELDS)
@example("uid=x")
@example("secret=/w==")
def test_what_is_read_before_a_teardown(output: str) -> None:
    with suppress(OnecardError):
        assert read_teardown_facts(output, 8000, ()).port


def test_a_step_that_the_job_does_not_have_is_an_ordinary_line() -> None:
    class Session:
        def send(self, requests: Any, *, on_line: Any, timeout: float) -> list[Any]:
            for line in (
                "@onecard-step begin 7 0",
                "@onecard-step end 7 0",
                "@onecard-step begin x",
            ):
                on_line(line)
            return [Answer("")]

    session: Any = Session()
    assert run_job(session, [], EventListener()) == []
