"""A pod's volume, the links to it, and the line that its start script gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from onecard.box import paths
from onecard.facts.model import Facts, Machine
from onecard.facts.places import disk_path, pending, volume_folder
from onecard.resources.files.file import Directory, Link
from onecard.resources.files.volume import VolumeFolder
from onecard.resources.system import boot_line
from onecard.resources.system.boot_line import BootLine
from tests.support.on_shell import apply, differing, look, shell

POD = Facts(volumes=("/workspace", "/data"))


def test_everything_lies_on_the_volume_of_a_pod() -> None:
    assert volume_folder("auto", POD) == "/workspace/onecard"
    assert volume_folder("auto", Facts()) == ""
    assert volume_folder("auto", Facts(machine=Machine(systemd=True), volumes=POD.volumes)) == ""
    assert volume_folder("/data/mine", POD) == "/data/mine"
    assert volume_folder(paths.HOME, POD) == ""
    assert disk_path("auto", POD) == "/workspace"
    assert disk_path("/data/mine", POD) == "/data"
    assert disk_path("/elsewhere/mine", POD) == disk_path("auto", Facts()) == "/opt"


def test_the_links_are_awaited_before_the_first_provision_and_after_a_stop() -> None:
    assert pending("auto", POD)
    assert not pending("auto", Facts(volumes=POD.volumes, root="/workspace/onecard/opt"))
    assert not pending("auto", Facts())


def test_a_link_does_not_replace_a_folder(tmp_path: Path) -> None:
    link = Link(str(tmp_path / "opt"), str(tmp_path / "volume"))
    (tmp_path / "opt").mkdir()
    assert "invoke teardown first" in shell(link.fix({}, {})).stdout
    (tmp_path / "opt").rmdir()
    apply(link)
    directory = Directory(str(tmp_path / "opt"))
    done = shell(directory.fix({}, {}))
    assert (done.returncode, "is a link" in done.stdout) == (1, True)


def test_a_volume_proves_that_it_respects_owners(tmp_path: Path) -> None:
    folder = VolumeFolder(str(tmp_path / "onecard"))
    assert differing(folder) == {"owners and modes"}
    refused = shell(f"chown() {{ return 1; }}\n{folder.fix({}, {})}")
    assert refused.returncode == 1
    assert refused.stdout.startswith("error: the volume of ")
    assert not (tmp_path / "onecard" / ".owners").exists()
    ignored = shell(f"chown() {{ :; }}\n{folder.fix({}, {})}")  # it succeeds, and changes nothing
    assert ignored.returncode == 1
    assert "set service_user: root" in ignored.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files an owner")
def test_a_servers_own_account_is_not_needed_where_it_is_root(tmp_path: Path) -> None:
    """RunPod's network volumes change modes, and refuse owners."""
    folder = VolumeFolder(str(tmp_path / "onecard"), owners=False)
    refusing = 'chown() { [ "$1" = 0:0 ]; }\n'
    done = shell(refusing + folder.fix({}, {}))
    assert (done.returncode, done.stdout) == (0, "")
    assert differing(folder) == set()
    assert shell(refusing + VolumeFolder(folder.path).fix({}, {})).returncode == 1
    apply(folder)
    assert differing(VolumeFolder(folder.path)) == {"owners and modes"}
    apply(VolumeFolder(folder.path))
    apply(folder)
    refused = shell(f"chmod() {{ return 1; }}\n{folder.fix({}, {})}")
    assert refused.returncode == 1
    assert "service_user" not in refused.stdout


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("_VAST", "_RUNPOD"):
        place = str(tmp_path / getattr(boot_line, name).rpartition("/")[2])
        text = boot_line._FILE.replace(getattr(boot_line, name), place)
        monkeypatch.setattr(boot_line, "_FILE", text.replace(" /start.sh", f" {tmp_path}/start.sh"))
        monkeypatch.setattr(boot_line, name, place)
    return tmp_path


def test_the_line_in_the_start_script(image: Path) -> None:
    wanted, unwanted = BootLine("/v/boot.sh", True), BootLine("/v/boot.sh", False)
    assert differing(unwanted) == set()
    refused = shell(wanted.fix({}, look(wanted)))
    assert (refused.returncode, refused.stdout.startswith("error: start_at_boot")) == (1, True)
    (image / "start.sh").write_text(f"bash {image}/post_start.sh\n")
    apply(wanted)
    script = image / "post_start.sh"
    assert script.read_text() == "#!/bin/bash\nsh /v/boot.sh & # Written by onecard\n"
    apply(BootLine("/other/boot.sh", True))
    assert script.read_text().count("onecard") == 1
    apply(unwanted)
    assert not script.exists()


def test_what_the_start_script_says_otherwise_stays(image: Path) -> None:
    own = image / "onstart.sh"
    own.write_text("#!/bin/bash\nenv >>/etc/environment\n")
    apply(BootLine("/v/boot.sh", True))
    assert own.read_text().startswith("#!/bin/bash\nenv >>")
    apply(BootLine("", False))
    assert own.read_text() == "#!/bin/bash\nenv >>/etc/environment\n"
