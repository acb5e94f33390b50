"""Resources: the box's answer -> state -> differences -> commands."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from onecard.credentials.secret import Secret
from onecard.errors import ProbeError
from onecard.resources.base import Difference, State, Upload, diff, fields
from onecard.resources.files.file import File
from onecard.resources.system.kernel import KernelModules, Sysctl
from onecard.resources.system.service import Service, configuration
from onecard.resources.system.user import User
from onecard.ssh.probe_batch import Answer
from tests.support.on_shell import differing, fix, look, shell


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


def test_an_upload_is_bytes_or_a_file_or_a_secret(tmp_path: Path) -> None:
    assert Upload("/x", tmp_path / "f").payload == tmp_path / "f"
    assert Upload("/x", b"\0\xff").payload == b"\0\xff"
    secret = Upload("/x", Secret("hidden"))
    assert secret.payload == b"hidden"
    assert "hidden" not in repr(secret)


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

    RELOAD, ENABLE = "services reload", "services enable vllm.service"
    RESTART = (
        "services reset vllm.service",
        "services restart vllm.service",
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
            "services reset ssh.service",
            "services start ssh.service",
        ]
        assert diff(service.desired(), service.understand(Answer(self.show()))) == {}

    def test_stopped_and_disabled(self) -> None:
        service = Service("vllm.service", False, False, configuration=self.STARTED)
        assert fix(service, self.show()) == [
            self.RELOAD,
            "services disable vllm.service",
            "services stop vllm.service",
        ]
        stopped = service.understand(Answer(self.show("inactive", "disabled")))
        assert diff(service.desired(), stopped) == {}

    def test_a_configuration_distinguishes_its_texts(self) -> None:
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

    def test_one_that_is_missing_is_made(self) -> None:
        assert self.made_with("return 1") == [
            "useradd --system --user-group --no-create-home --home-dir /var/lib/onecard "
            "--shell /usr/sbin/nologin onecard"
        ]

    def test_the_files_of_one_that_was_lost_keep_its_numbers(self) -> None:
        group, user = self.made_with("echo 931 932")
        assert group == "groupadd --system --gid 932 onecard"
        assert user.startswith("useradd --system --uid 931 --gid 932 --no-create-home ")

    def made_with(self, owner: str) -> list[str]:
        """Return the commands that make the account. owner: what stat does for its home."""
        programs = "".join(f"{each}() {{ echo {each} $*; }}\n" for each in ("useradd", "groupadd"))
        script = "\n".join(fix(self.WANTED, "", 2))
        found = shell(f"stat() {{ {owner}; }}\ngetent() {{ return 2; }}\n{programs}{script}")
        return found.stdout.splitlines()

    def test_the_shell_alone_is_repaired(self) -> None:
        (command,) = fix(self.WANTED, "onecard:x:999:997::/var/lib/onecard:/bin/bash\n")
        assert command == "usermod --shell /usr/sbin/nologin onecard"

    def test_an_account_of_a_persons_own_is_left_alone(self) -> None:
        theirs = User("ubuntu", home="/var/lib/onecard")
        (command,) = fix(theirs, "ubuntu:x:1000:1000::/home/ubuntu:/bin/bash\n")
        ran = shell(command)
        assert ran.returncode == 1
        assert ran.stdout == (
            "error: the account ubuntu is not onecard's (home /home/ubuntu, shell /bin/bash) and "
            "stays as it is; set service_user to another name\n"
        )

    def test_for_real(self) -> None:
        assert look(User("root", "/root")) == {
            "home": os.path.expanduser("~root"),  # noqa: PTH111
            "shell": look(User("root", ""))["shell"],
        }
        assert look(User("nobody-has-this-name", "/")) == {}


class TestKernel:
    def test_sysctl(self) -> None:
        resource = Sysctl((("net.core.somaxconn", "4096"), ("net.ipv4.tcp_rmem", "4096 131072 6")))
        digest = resource.desired()["file"]
        right = f"net.core.somaxconn=4096\nnet.ipv4.tcp_rmem=4096\t131072\t6\nfile={digest}\n"
        assert diff(resource.desired(), resource.understand(Answer(right))) == {}
        assert fix(resource, right.replace("=4096\n", "=128\n")) == [
            "echo 4096 >/proc/sys/net/core/somaxconn"
        ]
        lost = "\n".join(fix(resource, right.replace("file=", "lost=")))
        assert "/etc/sysctl.d/60-onecard.conf" in lost
        assert "/proc/sys" not in lost

    def test_sysctl_is_read_for_real(self) -> None:
        resource = Sysctl((("kernel.ostype", "Linux"), ("no.such.key", "1")))
        assert look(resource)["kernel.ostype"] == "Linux"
        assert "no.such.key" in differing(resource)

    def test_modules(self) -> None:
        resource = KernelModules(load=("nvidia",), blacklist=("nouveau",))
        assert set(diff(resource.desired(), {})) == {
            "nvidia", "load file", "blacklist file", "initramfs",
        }  # fmt: skip
        files = "".join(f"{key}={value}\n" for key, value in resource.desired().items())
        assert fix(resource, files.replace("nvidia=loaded\n", "")) == ["modprobe nvidia"]
        mended = "\n".join(fix(resource, files.replace("blacklist file", "x")))
        assert mended.count("update-initramfs -u -k all") == 1
        assert "modprobe nvidia" not in mended
        rebuilt = fix(resource, files.replace("=current", "=older"))
        reported = resource.trouble(
            [
                "gzip: stdout: No space left on device",
                "update-initramfs: failed for /boot/initrd.img-5.15.0-160-generic with 1.",
            ]
        )
        assert reported.startswith("/boot has no room for /boot/initrd.img-5.15.0-160-generic")
        assert rebuilt[0].endswith("then update-initramfs -u -k all")
        assert "dracut --force --regenerate-all" in rebuilt[1]

    @pytest.mark.parametrize(
        ("generator", "older", "message"),
        [
            ("update-initramfs", [], "current"),
            ("update-initramfs", ["6.8.0-90-generic"], "older"),
            ("update-initramfs", ["6.8.0-99-generic"], "older"),  # it waits for its reboot
            ("dracut", ["6.8.0-99-generic"], "older"),
            ("", ["6.8.0-90-generic"], "current"),  # nothing here can correct it
            ("update-initramfs", ["6.8.0-90-generic.old-dkms", "5.15.0-1-generic"], "current"),
        ],
    )
    def test_initial_ram_disks(
        self, tmp_path: Path, generator: str, older: list[str], message: str
    ) -> None:
        """5.15.0-1 is a kernel that was removed; the one of .old-dkms is DKMS's copy."""
        boot, modprobe = tmp_path / "boot", tmp_path / "modprobe.d"
        boot.mkdir()
        modprobe.mkdir()
        blacklist = modprobe / "onecard-blacklist.conf"
        for name in ("6.8.0-90-generic", "6.8.0-99-generic", *older):
            image = boot / f"initrd.img-{name}"
            image.touch()
            os.utime(image, (1000, 1000) if name in older else (3000, 3000))
        for name in ("6.8.0-90-generic", "6.8.0-99-generic"):
            (boot / f"vmlinuz-{name}").touch()
        blacklist.touch()
        os.utime(blacklist, (2000, 2000))
        probe = KernelModules(blacklist=("nouveau",)).probe()
        probe = probe.replace("/boot/", f"{boot}/").replace("/etc/modprobe.d/", f"{modprobe}/")
        programs = tmp_path / "bin"
        programs.mkdir()
        if generator:
            (programs / generator).touch(0o755)
        done = shell(f"PATH={programs}\n{probe}")
        assert f"initramfs={message}" in done.stdout.splitlines(), done
