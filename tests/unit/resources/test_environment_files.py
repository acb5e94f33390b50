"""Is every file of an environment's packages there? On real environments of this computer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from onecard.checks import Outcome, files_check, read
from onecard.doctor.environment_check import environment
from onecard.resources.base import diff
from onecard.resources.python.environment import Environment, Patch
from tests.support.environments import make_environment
from tests.support.on_shell import look

FASTAPI = {
    **{f"fastapi/part{number}.py": number for number in range(6)},
    "fastapi/__pycache__/part1.cpython-312.pyc": 100,
    "fastapi/a, b.py": 3,
    "../../../bin/fastapi": 40,
}
NUMPY = {"numpy/core.so": 1000, "shared/__init__.py": 5}
OTHER = {"other.py": 1, "shared/__init__.py": 0}  # the later one's is there: 0 bytes


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    packages = {"fastapi-0.1": FASTAPI, "numpy-2.0": NUMPY, "other-1.0": OTHER}
    make_environment(tmp_path / "an env", packages)
    return tmp_path / "an env"


def site(venv: Path) -> Path:
    (found,) = venv.glob("lib/python3*/site-packages")
    return found


def outcome(venv: Path, *arguments: str) -> Outcome:
    check = files_check(arguments)
    done = subprocess.run(["sh"], input=check.script(str(venv)), capture_output=True, text=True)
    found = read(check, done.stdout)
    assert (done.returncode, done.stderr) == (bool(found.trouble), "")
    return found


def test_a_whole_environment_passes(venv: Path) -> None:
    found = outcome(venv)
    assert found.trouble == ""
    packages = [value for key, value in found.values if key == "package"]
    assert packages == ["fastapi-0.1.dist-info", "numpy-2.0.dist-info", "other-1.0.dist-info"]


@pytest.mark.parametrize(
    ("path", "size", "trouble"),
    [
        ("fastapi/part3.py", None, "fastapi 0.1: 1 of 9 files are missing"),
        ("fastapi/a, b.py", None, "fastapi 0.1: 1 of 9 files are missing"),
        ("../../../bin/fastapi", None, "fastapi 0.1: 1 of 9 files are missing"),
        ("numpy/core.so", 0, "numpy 2.0: 1 of 3 files have another size"),
        ("fastapi/__pycache__/part1.cpython-312.pyc", None, ""),
        ("fastapi/__pycache__/part1.cpython-312.pyc", 7, ""),
        ("shared/__init__.py", 5, ""),
        (
            "shared/__init__.py",
            6,
            "numpy 2.0: 1 of 3 files have another size; other 1.0: 1 of 3 files have another size",
        ),
    ],
)
def test_one_file(venv: Path, path: str, size: int | None, trouble: str) -> None:
    file = site(venv) / path
    file.unlink()
    if size is not None:
        file.write_text("x" * size)
    assert outcome(venv).trouble == trouble


def test_a_folder_that_was_moved_away_names_its_package(venv: Path, tmp_path: Path) -> None:
    (site(venv) / "fastapi").rename(tmp_path / "away")
    assert outcome(venv).trouble == "fastapi 0.1: 7 of 9 files are missing"
    (tmp_path / "away").rename(site(venv) / "fastapi")
    assert outcome(venv).trouble == ""


def test_many_packages_are_counted(tmp_path: Path) -> None:
    names = [f"p{number}" for number in range(5)]
    here = make_environment(tmp_path / "v", {f"{name}-1": {f"{name}.py": 1} for name in names})
    for name in names:
        (here / f"{name}.py").unlink()
    assert outcome(tmp_path / "v").trouble.endswith(
        "p2 1: 1 of 2 files are missing; and 2 more packages"
    )


def test_an_editable_installation_is_whole(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    files = {"__editable__.project-1.0.pth": len(str(project)), "../../../bin/project": 3}
    make_environment(tmp_path / "v", {"project-1.0": files})
    (site(tmp_path / "v") / "__editable__.project-1.0.pth").write_text(str(project))
    assert outcome(tmp_path / "v").trouble == ""


def test_what_is_changed_later_may_have_another_size_but_not_be_gone(venv: Path) -> None:
    file = site(venv) / "numpy/core.so"
    file.write_text("more")
    assert outcome(venv, "numpy/core.so").trouble == ""
    file.unlink()
    assert outcome(venv, "numpy/core.so").trouble == "numpy 2.0: 1 of 3 files are missing"


def test_what_a_wheel_lists_and_does_not_hold_is_accepted_once(venv: Path) -> None:
    (site(venv) / "fastapi/part2.py").unlink()
    assert outcome(venv, "--accept").trouble == ""
    assert outcome(venv).trouble == ""
    (site(venv) / "fastapi/part3.py").unlink()
    assert outcome(venv).trouble == "fastapi 0.1: 1 of 9 files are missing"


def resource(venv: Path) -> Environment:
    packages = {"fastapi": "0.1", "numpy": "2.0", "other": "1.0"}
    patches = (Patch("core", "false", "true", "numpy/core.so"),)
    return Environment(str(venv), "3.12", "system", packages, "lock\n", (), patches)


def test_the_environment_differs_with_a_reason(venv: Path) -> None:
    wanted = resource(venv)
    (site(venv) / "numpy/core.so").write_text("of another size, which is the patch's")
    assert {"files", "missing"}.isdisjoint(diff(wanted.desired(), look(wanted)))
    (site(venv) / "fastapi/part1.py").unlink()
    differences = diff(wanted.desired(), look(wanted))
    assert str(differences["files"]) == ("files: fastapi 0.1: 1 of 9 files are missing -> complete")
    (site(venv) / "fastapi-0.1.dist-info" / "RECORD").unlink()
    assert look(wanted)["missing"] == "fastapi"


def test_doctor_names_it(venv: Path) -> None:
    assert environment("").status == "ok"

    def judged() -> tuple[str, str, str]:
        script = files_check().script(str(venv))
        done = subprocess.run(["sh"], input=script, capture_output=True, text=True)
        check = environment(done.stdout)
        return check.status, check.message, check.fix

    assert judged() == ("ok", "the files of 3 packages are all there", "")
    (site(venv) / "other.py").unlink()
    message = "other 1.0: 1 of 3 files are missing"
    assert judged() == ("warning", message, "invoke provision")
