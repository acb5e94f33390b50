"""Facts from a file: the captured boxes come back whole, and a part of them is known as a part."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from onecard.doctor import checkup, print_checks
from onecard.doctor.replay import NEEDS, Replay, read_replay
from onecard.errors import UsageError
from onecard.facts import Facts, read_facts, to_json
from onecard.settings.settings import Settings
from onecard.ssh.probe_batch import Answer
from tests.support.facts_support import CARD, box, working

HERE = Path(__file__).parents[1] / "fixtures" / "facts"
CAPTURED = ("debian12-container.json", "h100x2-container.json", "h200-container.json")


def captured(name: str) -> Facts:
    answers = json.loads((HERE / name).read_text())
    return read_facts({probe: Answer(**answer) for probe, answer in answers.items()})


def replay(tmp_path: Path, text: str) -> Replay:
    file = tmp_path / "box.json"
    file.write_text(text)
    return read_replay(file, "box.json")


def statuses(found: Replay) -> dict[str, str]:
    checks = found.marked(checkup(found.facts, Settings()))
    return {check.name: check.status for check in checks}


@pytest.mark.parametrize("name", CAPTURED)
@pytest.mark.parametrize("indent", [None, "\t", 2])
def test_a_captured_box_comes_back_whole(tmp_path: Path, name: str, indent: Any) -> None:
    facts = captured(name)
    found = replay(tmp_path, json.dumps(to_json(facts), indent=indent))
    assert found == Replay(facts)
    checks = checkup(facts, Settings())
    assert found.marked(checks) == checks


def test_the_document_of_doctor_is_read_too(tmp_path: Path) -> None:
    facts = captured("h200-container.json")
    assert replay(tmp_path, json.dumps({"facts": to_json(facts), "checks": []})) == Replay(facts)


def test_a_part_as_people_attach_it() -> None:
    found = read_replay(HERE / "rtx-5090-closed-modules.yml", "report.yml")
    checks = {each.name: each for each in found.marked(checkup(found.facts, Settings()))}
    driver = checks["driver"]
    assert driver.status == "warning"
    assert "needs NVIDIA's open kernel modules" in driver.message
    assert driver.fix == "invoke provision --reboot"
    assert checks["headers"].message == "not in the facts: kernel.headers, machine.container"
    assert {"machine", "memory", "kernel.headers", "driver.signer"} <= set(found.unknown)
    assert not {"pci", "kernel.release", "kernel_log"} & set(found.unknown)
    # What nvidia-smi would have listed is known: nothing.
    assert checks["mig"].status == "ok"


@pytest.mark.parametrize("name", CAPTURED)
def test_a_group_that_is_left_out_is_unknown_and_never_wrong(tmp_path: Path, name: str) -> None:
    whole = to_json(captured(name))
    with_all = statuses(replay(tmp_path, json.dumps(whole)))
    for group in whole:
        part = {key: value for key, value in whole.items() if key != group}
        for check, status in statuses(replay(tmp_path, json.dumps(part))).items():
            assert status in (with_all[check], "unknown"), (group, check)


def test_a_field_that_is_left_out_is_unknown(tmp_path: Path) -> None:
    whole = to_json(box(driver=working("580.95.05"), gpus=(CARD,)))
    del whole["kernel"]["headers"]
    found = replay(tmp_path, json.dumps(whole))
    assert found.unknown == ("kernel.headers",)
    assert [name for name, status in statuses(found).items() if status == "unknown"] == ["headers"]


def test_the_headline_claims_nothing_that_is_unknown(tmp_path: Path) -> None:
    found = replay(tmp_path, '{"os": {"name": "Ubuntu 24.04.3 LTS"}}')
    out = io.StringIO()
    print_checks(found.facts, (), Console(file=out, width=120))
    assert out.getvalue().splitlines()[0] == (
        "Ubuntu 24.04.3 LTS, kernel unknown, NVIDIA cards unknown"
    )


def test_every_check_says_what_it_reads() -> None:
    names = {check.name for check in checkup(box(), Settings())}
    assert names == set(NEEDS)
    plain = to_json(box())
    for path in (one for needs in NEEDS.values() for need in needs for one in need.split("|")):
        value: Any = plain
        for part in path.split("."):
            value = value[part]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "box.json: has no facts, such as os, kernel"),
        ("{}", "box.json: has no facts"),
        ("[1]", "box.json: the top level must be an object"),
        ("vllm: 0.33\n", "box.json: has no facts"),
        ("os: {", "box.json: line 1, column 6: "),
        ("\0", "box.json: "),
        ("[" * 5000, "box.json: "),
        ("os: 7", "box.json: os: 7 is not a mapping"),
        ("os: {version: 24.04}", "box.json: os.version: 24.04 is not text; put it in quotes"),
        ("facts: {os: {version: 24.04}}", "box.json: facts.os.version: 24.04 is not text"),
        ("memory: null", "box.json: memory: has no value; it must be a mapping"),
        ("pci: [{kind: gpu}]", "box.json: pci[0].address: Field required (and 1 more)"),
        ("kernel_log: [1]", "box.json: kernel_log: "),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        replay(tmp_path, text)
    assert caught.value.message.startswith(message)
    assert "\n" not in caught.value.message


def test_a_file_cannot_send_commands_to_the_terminal(tmp_path: Path) -> None:
    text = json.dumps(
        {"os": {"name": "\x1b]0;title\x07Ubuntu\r24.04"}, "kernel_log": ["NVRM \x1b[2J"]}
    )
    found = replay(tmp_path, text)
    assert found.facts.os.name == " ]0;title Ubuntu 24.04"


def test_a_file_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"box\.json: cannot be read: No such file"):
        read_replay(tmp_path / "box.json", "box.json")


def test_the_facts_of_a_real_pod_have_no_trouble() -> None:
    """An H200 in a container without systemd (docs/pod-h200.md); its GPU's UUID is replaced."""
    found = read_replay(HERE / "h200-pod.json", "h200-pod.json")
    assert (found.facts.systemd, found.facts.volumes) == (False, ("/workspace",))
    checks = {check.name: check for check in found.marked(checkup(found.facts, Settings()))}
    assert {check.status for check in checks.values()} == {"ok"}
    assert "supervisord runs the server" in checks["systemd"].message
    assert checks["build"].message.startswith("vLLM")
