"""The environment's checks: a program's output -> outcome, and the environment made of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from onecard.checks import architecture_check, environment_checks, read
from onecard.resources.base import ABSENT, Difference, diff
from onecard.resources.python.architecture import Architecture
from onecard.resources.python.environment import Environment, Patch, UvPython
from onecard.resources.python.wheels import Wheels
from onecard.ssh.probe_batch import Answer
from tests.support.on_shell import apply, differing, sent

FIXTURES = Path(__file__).parents[1] / "fixtures" / "checks"
HEADER, TOOLS, TORCH, VERSIONS = environment_checks("nvidia")


@pytest.mark.parametrize(
    ("file", "cards"),
    [("h200.json", ["NVIDIA H200 (9.0)"]), ("h100x2.json", ["NVIDIA H100 80GB HBM3 (9.0)"] * 2)],
)
def test_real_cards_are_detected_and_named(file: str, cards: list[str]) -> None:
    """What `python3 -m onecard.checks --json` said on machines with driver 580 and PyTorch 2.11.

    The second one had no vLLM, which is told as a failed check.
    """
    checks = {check.name: check for check in (HEADER, TOOLS, TORCH, VERSIONS)}
    rows = json.loads((FIXTURES / file).read_text())
    for row in rows:
        output = "".join(f"{key}={value}\n" for key, value in row["told"])
        end = "passed=yes" if row["passed"] else f"trouble={row['trouble']}"
        outcome = read(checks[row["name"]], f"{output}{end}\n")
        assert (outcome.trouble, not outcome.trouble) == (row["trouble"], row["passed"])
        assert [list(pair) for pair in outcome.values] == row["told"]
        assert row["fix"] == (checks[row["name"]].fix if row["trouble"] else "")
    (torch,) = [row for row in rows if row["name"] == "torch"]
    assert [value for key, value in torch["told"] if key == "gpu"] == cards


@pytest.mark.parametrize(
    ("output", "trouble", "line"),
    [
        ("torch=2.11.0+cu130\ngpu=NVIDIA H200 (9.0)\npassed=yes\n", "", "gpu NVIDIA H200 (9.0)"),
        (
            "torch=2.11.0+cu130\ntrouble=torch 2.11.0+cu130 sees no GPU\n",
            "torch 2.11.0+cu130 sees no GPU",
            "sees no GPU; see invoke doctor",
        ),
        ("torch=2.11.0\nSegmentation fault\n", "the check itself ended early: Segm", "; see"),
        ("", "the check itself ended early: no output", "; see"),
    ],
)
def test_read(output: str, trouble: str, line: str) -> None:
    outcome = read(TORCH, output)
    assert outcome.trouble.startswith(trouble)
    assert bool(outcome.trouble) == bool(trouble)
    assert line in outcome.line


# As vLLM 0.32.0's registry.py is built: tables by kind, merged, and one of what is gone.
REGISTRY = """
_TEXT_GENERATION_MODELS = {"LlamaForCausalLM": ("llama", "LlamaForCausalLM")}
_MULTIMODAL_MODELS: dict = {"Qwen3_5ForConditionalGeneration": ("qwen3_5", "Q")}
_VLLM_MODELS = {**_TEXT_GENERATION_MODELS, **_MULTIMODAL_MODELS}
_PREVIOUSLY_SUPPORTED_MODELS = {"MotifForCausalLM": "0.10.2"}
"""


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"architectures": ["Qwen3_5ForConditionalGeneration"]}, "passed=yes"),
        ({"architectures": ["NewForCausalLM", "LlamaForCausalLM"]}, "passed=yes"),
        ({"architectures": ["Qwen4ForCausalLM"]}, "trouble=this vLLM does not know Qwen4ForCausal"),
        ({"architectures": ["MotifForCausalLM"]}, "trouble=this vLLM does not know Motif"),
        ({}, "names no architecture"),
        (None, "cannot be read"),
    ],
)
def test_architecture(tmp_path: Path, config: object, words: str) -> None:
    folder = tmp_path / "vllm" / "model_executor" / "models"
    folder.mkdir(parents=True)
    (folder / "registry.py").write_text(REGISTRY)
    (tmp_path / "vllm" / "__init__.py").write_text("raise SystemExit('imported')\n")
    path = tmp_path / "config.json"
    if config is not None:
        path.write_text(json.dumps(config))
    check = architecture_check(str(path))
    done = subprocess.run(
        [sys.executable, "-c", check.program, *check.arguments],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert words in done.stdout, done.stderr
    assert done.returncode == (0 if words == "passed=yes" else 1)


def test_an_architecture_is_looked_up_in_what_is_installed() -> None:
    resource = Architecture("/nowhere", "/models/m")
    assert resource.understand(Answer("")) == ABSENT
    assert resource.fix({}, {}) == resource.script
    known = resource.understand(Answer("architectures=X\npassed=yes\n"))
    assert diff(resource.desired(), known) == {}
    message = ["architectures=X", "trouble=this vLLM does not know X"]
    assert "use a newer vLLM" in resource.trouble(message)
    assert resource.trouble(["OSError: no route"]) == ""


ENVIRONMENT = Environment(
    "/v",
    python="3.12",
    python_from="system",
    packages={"torch": "2.14.0+cu130", "ruamel-yaml": "0.18.6"},
    record="lock\n",
    checks=(HEADER, TORCH),
    patches=(Patch("m", "false", "true"),),
    driver="580.1",
)


def installed(*without: str) -> str:
    lines = {
        "python": "python=3.12\npassed=yes",
        "torch": "package=torch-2.14.0+cu130.dist-info",
        "yaml": "package=ruamel.yaml-0.18.6.dist-info",
        "patch": "patch m=applied",
        "header": f"check header={HEADER.fingerprint} 580.1",
        "torch check": f"check torch={TORCH.fingerprint} 580.1",
        "record": f"record={ENVIRONMENT.desired()['record']}",
    }
    return "\n".join(line for name, line in lines.items() if name not in without)


class TestEnvironment:
    @pytest.mark.parametrize(
        ("output", "differences"),
        [
            (installed(), set()),
            (installed("torch"), {"missing"}),
            (installed("patch"), {"patch m"}),
            (installed("torch check"), {"check torch"}),
            (installed("record"), {"record"}),
            (installed().replace("580.1", "590.1"), {"check header", "check torch"}),
            (installed().replace("2.14.0+cu130", "2.13.0"), {"missing"}),
            (
                installed().replace("python=3.12", "python=3.11"),
                {"python"},
            ),
            (
                installed().replace("passed=yes", "trouble=torch 2: 3 of 9 files are missing"),
                {"files"},
            ),
            (
                "",
                {"python", "missing", "files", "patch m", "check header", "check torch", "record"},
            ),
        ],
    )
    def test_differences(self, output: str, differences: set[str]) -> None:
        found = ENVIRONMENT.understand(Answer(output))
        assert set(diff(ENVIRONMENT.desired(), found)) == differences

    def fix(self, output: str) -> str:
        actual = ENVIRONMENT.understand(Answer(output))
        return ENVIRONMENT.fix(diff(ENVIRONMENT.desired(), actual), actual)

    @pytest.mark.parametrize(
        "output",
        ["", installed("torch"), installed().replace("passed=yes", "trouble=torch 2: 3 of 9")],
    )
    def test_it_is_built_whole_beside_and_moved_last(self, output: str) -> None:
        script = self.fix(output)
        steps = [
            "rm -rf /_", "uv venv", "pip install", "check files:", "check header:", "check torch:",
            "lock.yml", "mv -T /v /v.old", "mv -T /_ /v",
        ]  # fmt: skip
        found = [script.rindex(step) for step in steps[1:]]
        assert found == sorted(found)
        assert "rm -rf /v\n" not in script
        assert '[ -n "$damaged" ]' in script  # without a name, uv would clean the whole cache

    def test_the_scripts_of_the_new_one_retain_their_size(self) -> None:
        stage = Environment("/opt/venvs/abc", "3.12", "system", {}, "x", ()).fix(
            {"python": Difference("python", None, "3.12")}, ABSENT
        )
        assert "'s|/opt/venvs/ab_|/opt/venvs/abc|g'" in stage

    def test_a_new_driver_costs_its_checks_alone(self) -> None:
        script = self.fix(installed().replace("580.1", "590.1"))
        assert "pip install" not in script
        assert script.count("check torch:") == 1

    def test_the_failed_check_is_reported_with_its_fix(self) -> None:
        output = ["check header:", "passed=yes", "check torch:", "torch=2", "trouble=no GPU"]
        assert ENVIRONMENT.trouble(output) == f"check torch: no GPU; {TORCH.fix}"
        assert ENVIRONMENT.trouble(["check header:", "passed=yes"]) == ""
        assert ENVIRONMENT.trouble(["error: no wheel"]) == ""

    def test_nothing_there(self, tmp_path: Path) -> None:
        assert "python" in differing(
            Environment(str(tmp_path / "v"), "3.12", "system", {}, "x", (HEADER,))
        )


def test_a_python_of_uv() -> None:
    resource = UvPython("3.12")
    assert diff(resource.desired(), resource.understand(Answer("version=3.12\nversion=3.12"))) == {}
    assert set(diff(resource.desired(), resource.understand(Answer("")))) == {"version"}
    assert "python install --no-bin --reinstall 3.12" in resource.fix({}, {})


def test_wheels_are_compared_by_name_and_size(tmp_path: Path) -> None:
    source, target = tmp_path / "here", tmp_path / "there"
    source.mkdir()
    (source / "a-1-py3-none-any.whl").write_text("one")
    (source / "b-1-py3-none-any.whl").write_text("two")
    resource = Wheels(str(target), source)
    assert differing(resource) == {"a-1-py3-none-any.whl", "b-1-py3-none-any.whl"}
    apply(resource)
    assert differing(resource) == set()
    (target / "a-1-py3-none-any.whl").write_text("cut")
    (target / "b-1-py3-none-any.whl").write_text("cut short")
    assert differing(resource) == {"b-1-py3-none-any.whl"}
    assert sent(resource) == [source / "b-1-py3-none-any.whl"]
