"""What a box prints, where a connection, a disk or a program failed it: a value, or an error of onecard's."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import roles
from onecard.cluster.deployment import environment_of
from onecard.credentials.secret import Secret
from onecard.deploy.startup_frames import MARK, read_frame
from onecard.engine.host_plan import (
    DISKS,
    RolePlan,
    make_plan,
    read_disks,
    read_event,
    read_progress,
)
from onecard.engine.job import run_job
from onecard.engine.listener import EventListener
from onecard.errors import OnecardError
from onecard.facts.teardown import read_teardown_facts
from onecard.fit.on_host import read_box_model, settle
from onecard.gateway.balancer import read_states
from onecard.inventory.host import Host
from onecard.inventory.serving_groups.cluster_group import ClusterGroup
from onecard.inventory.serving_groups.gateway_group import GatewayGroup
from onecard.locks.resolve_request import matched, parse_lock, parse_page, resolve_request
from onecard.measure.bench.vllm_bench import read_result
from onecard.measure.soak.limits import _most_pictures
from onecard.project import PROJECT
from onecard.records.facts import parse_software
from onecard.resources.system.ray_nodes import RayNodes
from onecard.server.idle import judge, read_note
from onecard.server.load_sample import read_cards, read_errors
from onecard.server.releases import read_releases
from onecard.server.start_journal import RESTART_SCHEDULED, read_restarts
from onecard.server.state import read_state
from onecard.settings.connection import Connection
from onecard.settings.layers import layer, merge
from onecard.settings.settings import Settings
from onecard.ssh.disk_space import explain, read_mounts
from onecard.ssh.probe_batch import Answer, parse
from roles import expose, gateway, monitoring, ray
from tests.support.facts_support import CARD, box, working
from tests.unit.fuzz.texts import JSON, LINES

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


def others() -> list[Any]:
    """Return what no deploy of a single box has: proxy, gateway, cluster, monitoring, teardown."""
    values = {"monitoring": True, "gateway": {"host": "box", "domain": "a.example"}}
    host = Host("box", Connection("box"), Settings.model_validate(values))
    back_end = gateway.BackEnd("box", "127.0.0.1", 8000, Secret("k" * 40))
    cluster = ClusterGroup("pool", host, (host,))
    return [
        *expose.desired(host, FACTS),
        *expose.desired(with_tls(host), FACTS),
        *gateway.desired(GatewayGroup(host, (host,)), (back_end,), FACTS),
        *gateway.absent(),
        *monitoring.desired(host, FACTS),
        *monitoring.absent(),
        *ray.desired(cluster, host, FACTS, "/opt/venv", None).resources,
        *ray.absent(),
        RayNodes("/opt/venv", 6379, (("10.0.0.1", "box"), ("10.0.0.2", "other"))),
    ]


def with_tls(host: Host) -> Host:
    """Return the host with a certificate of its own."""
    exposed = host.settings.expose.model_copy(update={"domain": "a.example", "tls": "internal"})
    return replace(host, settings=host.settings.model_copy(update={"expose": exposed}))


RESOURCES = [resource for plan in plans() for resource in plan.resources] + others()


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


CSV = st.lists(
    st.lists(
        st.sampled_from(
            ["boxes", "hop-a", "a", "BACKEND", "UP", "DRAIN", "0", "x", "9" * 5000, "", '"', "\n"]
        )
        | st.text(max_size=5),
        max_size=8,
    ).map(",".join),
    max_size=5,
).map("\n".join)
COLUMNS = "# pxname,svname,scur,status,check_desc,last_chk\n"


@given(st.sampled_from(["", COLUMNS]), CSV)
@example(COLUMNS, "boxes,a\n")
@example(COLUMNS, "boxes,a,x,UP\n")
@example(COLUMNS, '"' + "x" * 200_000)
def test_the_boxes_of_a_gateway(head: str, rows: str) -> None:
    with suppress(OnecardError):
        read_states(head + rows)


DEEP = "[" * 99_999


@given(JSON.map(json.dumps) | st.text(max_size=20))
@example(DEEP)
@example('{"command": 5}')
@example('{"invocation": "x", "counters": {}, "since_s": 1' + "0" * 400 + "}")
def test_small_documents_of_a_box(text: str) -> None:
    assert isinstance(environment_of(text), str)
    assert isinstance(_most_pictures(text), int)
    note = read_note(text)
    state = read_state("LoadState=loaded\nCommand=vllm serve x --port 8000 --max-model-len 9")
    judge(state, {}, 5.0, note)
    with suppress(OnecardError):
        read_result(text)


@given(LINES)
def test_a_sample_of_the_load(text: str) -> None:
    read_errors(text)
    for card in read_cards(text + "\n1, 2, nan, x\n9" + "9" * 5000 + ", 1, 2, 3"):
        assert card.power_w is None or card.power_w < 1e300


MESSAGES = st.lists(
    st.dictionaries(
        st.sampled_from(["INVOCATION_ID", "MESSAGE_ID", "x"]),
        st.sampled_from(["a", "b", RESTART_SCHEDULED]) | JSON,
    ).map(json.dumps)
    | st.just(DEEP)
    | st.text(max_size=9),
    max_size=4,
).map("\n".join)


@given(MESSAGES)
@example('{"INVOCATION_ID": ["a"]}')
def test_messages_of_the_service_manager(output: str) -> None:
    assert read_restarts(output, "a")[-1] == "a"


FRAMES = st.sampled_from(["answered", "failed", "back", "waiting", "stopped", ""]).flatmap(
    lambda event: st.fixed_dictionaries(
        {"event": st.just(event)},
        optional=dict.fromkeys(("release", "seconds", "memory", "reason", "past"), JSON),
    )
)


@given(FRAMES.map(json.dumps) | JSON.map(json.dumps) | st.just(DEEP))
def test_a_frame_of_a_start(body: str) -> None:
    read_frame(f"{MARK} {body}")


@given(LINES, st.sampled_from([0, 1, 22]), st.text(max_size=9))
@example("blocks=/dev/vda 9" + "9" * 5000 + " 1 1 1% /", 0, "")
@example("", 0, "é")
def test_disks_builds_and_locks(output: str, code: int, encoded: str) -> None:
    read_disks(f"{DISKS} {encoded}")
    explain(output, read_mounts(output))
    parse_software(output)
    host = Host("box", Connection("box"), Settings())
    build = matched(host, FACTS)
    with suppress(OnecardError):
        parse_page(host, build, output, code, "x86_64")
    request = resolve_request(host, FACTS, build, "0.33.0", "")
    with suppress(OnecardError):
        parse_lock(host, FACTS, request, output, code)


@given(FIELDS | LINES)
@example("config=é")
@example("config=" + base64.b64encode(DEEP.encode()).decode())
def test_a_model_on_the_box(output: str) -> None:
    class Session:
        def run(self, script: str) -> Answer:
            return Answer(output)

    session: Any = Session()
    host = Host("box", Connection("box"), Settings())
    with suppress(OnecardError):
        settle(host, FACTS, read_box_model(session, host))


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
