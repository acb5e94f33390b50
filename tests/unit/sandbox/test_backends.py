"""The drivers' choice, command lines and files, without starting anything."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from onecard.errors import SandboxError, UsageError
from onecard.sandbox.choose import kind_of
from onecard.sandbox.common.controller import Controller
from onecard.sandbox.common.furnish import Identity, TreeFile, base_files, box_files, network_files
from onecard.sandbox.common.keys import fresh_key_pair
from onecard.sandbox.common.names import Labels
from onecard.sandbox.common.sources import Source
from onecard.sandbox.common.system import mounts_below, remove_tree, wait_until
from onecard.sandbox.common.tree import write_files
from onecard.sandbox.docker import commands
from onecard.sandbox.docker.boxes import DockerDriver, archive
from onecard.sandbox.nspawn.base import base_folder, debootstrap_command
from onecard.sandbox.nspawn.boxes import NspawnDriver
from onecard.sandbox.nspawn.cgroup import hierarchies
from onecard.sandbox.nspawn.container import NspawnContainer, launch_script, nspawn_command
from onecard.sandbox.nspawn.process import Process, find, is_namespace_init, parse_stat

LABELS = Labels("01234567")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def controller(trusted: str = "no", bundle: str = "") -> Controller:
    options = {"Signed-By": KEYRING, "Trusted": trusted}
    return Controller(
        distribution="debian",
        codename="bookworm",
        architecture="amd64",
        sources=(Source(("http://mirror.example/debian",), ("bookworm",), ("main",), options),),
        apt_settings='Acquire::Retries "3";\n',
        pip_conf="[global]\ntimeout = 180\n",
        bundle=bundle,
        environment={"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"},
        files={KEYRING: b"key", "/etc/apt/auth.conf": b"machine mirror.example password p"},
        binds=(Path("/srv/wheels"),),
    )


@pytest.mark.parametrize(
    ("platform", "user", "docker", "expected"),
    [("linux", 0, True, "nspawn"), ("linux", 0, False, "nspawn"), ("linux", 1000, True, "docker")],
)
def test_choice(platform: str, user: int, docker: bool, expected: str) -> None:
    assert kind_of(platform, user, lambda: docker) == expected


@pytest.mark.parametrize(("platform", "user"), [("linux", 1000), ("darwin", 0)])
def test_neither_is_one_line_that_reports_what_is_needed(platform: str, user: int) -> None:
    with pytest.raises(
        SandboxError, match=r"needs root on Debian or Ubuntu.*or a Docker"
    ) as raised:
        kind_of(platform, user, lambda: False)
    assert "\n" not in raised.value.message


@pytest.mark.parametrize(
    ("trusted", "expected"), [("no", f"--keyring={KEYRING}"), ("yes", "--no-check-gpg")]
)
def test_debootstrap(trusted: str, expected: str) -> None:
    here = controller(trusted)
    command = debootstrap_command(Path("/tree"), here, here.sources[0])
    assert command[0] == "debootstrap"
    assert expected in command
    assert "--variant=minbase" in command
    assert command[-3:] == ["bookworm", "/tree", "http://mirror.example/debian"]


def test_a_base_tree_is_reused_only_for_the_same_certificates() -> None:
    one, other = base_folder(Path("/c"), controller()), base_folder(Path("/c"), controller("", "X"))
    assert one != other
    assert one.name.startswith("base-bookworm-amd64-")
    assert base_folder(Path("/c"), controller()) == one


CONTAINER = NspawnContainer(
    "box1",
    Path("/state/boxes/box1"),
    LABELS,
    read_only=[Path("/srv/wheels"), Path("/srv/odd:name")],
    writable={"/root/.cache/pip": Path("/state/pip-cache")},
)


def test_nspawn() -> None:
    command = nspawn_command(CONTAINER)
    for part in (
        "--directory=/state/boxes/box1/root",
        "--boot",
        "--register=no",
        "--keep-unit",
        "--hostname=box1",
        "--network-bridge=ocb-01234567",
        "--bind-ro=/srv/wheels",
        "--bind-ro=/srv/odd\\:name",
        "--bind=/state/pip-cache:/root/.cache/pip",
    ):
        assert part in command


def test_where_systemd_is_not_pid_1_the_box_enters_a_group_of_its_own() -> None:
    group = Path("/sys/fs/cgroup/systemd/onecard-x")
    own = launch_script(CONTAINER, [group], systemd=False)
    scope = launch_script(CONTAINER, [group], systemd=True)
    assert f"{group}/cgroup.procs" in own
    assert "systemd-run" not in own
    assert f"{group}/cgroup.procs" not in scope
    assert "exec systemd-run --scope --quiet --collect --property=Delegate=yes" in scope


FAKE_NSPAWN = """\
#!/bin/sh
trap 'echo off >>"$LOG"; kill $sleeper; exit 0' TERM
echo boot >>"$LOG"
[ "$(grep -c boot "$LOG")" = 1 ] && exit 133
sleep 60 & sleeper=$!
wait
"""


def test_the_keeper_boots_again_after_a_reboot_and_passes_power_off_on(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "systemd-nspawn"
    program.write_text(FAKE_NSPAWN)
    program.chmod(0o755)
    log, pid = tmp_path / "log", tmp_path / "pid"
    script = launch_script(NspawnContainer("box1", tmp_path, LABELS), [], systemd=False)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    keeper = subprocess.Popen(["sh", "-c", script], env={"PATH": path, "LOG": str(log)})
    try:
        assert wait_until(lambda: log.exists() and log.read_text() == "boot\nboot\n", 5)
        number, started = map(int, pid.read_text().split())
        assert find(keeper.pid) == Process(number, started)
        keeper.send_signal(signal.SIGTERM)
        keeper.wait(5)
    finally:
        keeper.kill()
        keeper.wait()
    assert log.read_text() == "boot\nboot\noff\n"


HYBRID = """\
tmpfs /sys/fs/cgroup tmpfs rw,mode=755 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
"""


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        (HYBRID, ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"]),
        ("cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n", ["/sys/fs/cgroup"]),
    ],
)
def test_groups_are_made_only_where_systemd_itself_would(mounts: str, expected: list[str]) -> None:
    assert hierarchies(mounts) == [Path(path) for path in expected]


def test_a_recycled_pid_is_not_ours() -> None:
    here = find(os.getpid())
    assert here is not None
    assert here.alive()
    assert not Process(here.pid, here.started - 1).alive()


def test_stat_with_an_odd_command() -> None:
    text = "42 (a) S b) Z 7 1 1 0 -1 4 0 0 0 0 1 1 0 0 20 0 1 0 98765 0 0"
    stat = parse_stat(text)
    assert (stat.state, stat.parent, stat.started) == ("Z", 7, 98765)


@pytest.mark.parametrize(
    ("line", "expected"),
    [("NSpid:\t812\t1", True), ("NSpid:\t812", False), ("NSpid:\t1", False),
     ("NSpid:\t812\t7", False), ("Pid:\t1\t1", False)],
)  # fmt: skip
def test_the_boxes_own_pid_1(line: str, expected: bool) -> None:
    assert is_namespace_init(f"Name:\tsystemd\n{line}\n") is expected


def test_mounts_deepest_first_and_only_below() -> None:
    text = "".join(
        f"1 2 0:1 / {point} rw - ext4 /dev/x rw\n"
        for point in ("/", "/t", "/t/proc", "/t/proc/sys", "/tree", "/t/a\\040b")
    )
    assert mounts_below(Path("/t"), text) == ["/t/proc/sys", "/t/proc", "/t/a b", "/t"]


def test_remove_tree_takes_the_folder_and_no_neighbour(tmp_path: Path) -> None:
    (tmp_path / "gone" / "inner").mkdir(parents=True)
    (tmp_path / "kept").write_text("")
    (tmp_path / "gone" / "link").symlink_to(tmp_path / "kept")
    remove_tree(tmp_path / "gone")
    remove_tree(tmp_path / "gone")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_base_files() -> None:
    files = base_files(controller())
    assert files["/etc/apt/auth.conf"].mode == 0o600
    assert files["/etc/sudoers.d/admin"].mode == 0o440
    assert b"PasswordAuthentication no\n" in files["/etc/ssh/sshd_config.d/sandbox.conf"].content
    assert files["/etc/pip.conf"].content == b"[global]\ntimeout = 180\n"
    assert b"URIs: http://mirror.example/debian" in (
        files["/etc/apt/sources.list.d/controller.sources"].content
    )


def test_keys_are_fresh_and_private() -> None:
    one, other = fresh_key_pair(), fresh_key_pair()
    assert one != other
    key = load_ssh_private_key(one.private.reveal().encode(), None)
    assert one.public.startswith("ssh-ed25519 AAAA")
    assert key.public_key() is not None
    assert "PRIVATE" not in repr(one)


def test_box_and_network_files() -> None:
    files = box_files(Identity("box1", "0" * 32, "ssh-ed25519 LOGIN", "HOSTKEY", "ssh-ed25519 H"))
    assert files["/etc/ssh/ssh_host_ed25519_key"] == TreeFile(b"HOSTKEY", 0o600)
    for home, owner in (("/root", 0), ("/home/admin", 1000)):
        expected = TreeFile(b"ssh-ed25519 LOGIN\n", 0o600, owner)
        assert files[f"{home}/.ssh/authorized_keys"] == expected
    network = network_files("10.1.2.10/24", "10.1.2.1", "nameserver 192.0.2.53\n")
    assert b"Address=10.1.2.10/24\nGateway=10.1.2.1\n" in (
        network["/etc/systemd/network/10-host0.network"].content
    )


def test_a_tree_is_never_left_through_a_link(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    root.mkdir()
    owner = os.getuid()
    (root / "a").mkdir()
    write_files(root, {"/a/.ssh/b": TreeFile(b"x", 0o640, owner)})
    assert (root / "a/.ssh/b").stat().st_mode & 0o777 == 0o640
    assert (root / "a/.ssh").stat().st_mode & 0o777 == 0o700
    (root / "link").symlink_to(outside)
    (root / "file").symlink_to(outside / "kept")
    with pytest.raises(SandboxError, match="leads out of the box's tree"):
        write_files(root, {"/link/b": TreeFile(b"x", owner=owner)})
    write_files(root, {"/file": TreeFile(b"x", owner=owner)})
    assert list(outside.iterdir()) == []


def test_docker_create() -> None:
    command = commands.create(
        LABELS, "box1", "onecard-01234567:abc", [Path("/srv/wheels")], Path("/c/pip-cache")
    )
    text = " ".join(command)
    assert command[:4] == ["docker", "create", "--name", "onecard-01234567-box1"]
    assert command[-1] == "onecard-01234567:abc"
    assert "--privileged" in command
    assert "--cgroupns private" in text
    assert "--publish 127.0.0.1::22" in text
    assert "--label onecard.project=01234567" in text
    assert "type=bind,source=/srv/wheels,target=/srv/wheels,readonly" in command
    assert "type=bind,source=/c/pip-cache,target=/root/.cache/pip" in command


def test_dockerfile_uses_the_controllers_archive_before_its_first_download() -> None:
    lines = commands.dockerfile(controller()).splitlines()
    assert lines[0] == "FROM debian:bookworm"
    files = lines.index("ADD files.tar /")
    [install] = [number for number, line in enumerate(lines) if "apt-get install" in line]
    assert files < install
    assert "openssh-server" in lines[install]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (commands.build(LABELS, "i:1", "/x"),
         "docker build --quiet --label onecard.project=01234567 --tag i:1 /x"),
        (commands.shell(LABELS, "b"),
         "docker exec -it -w /root onecard-01234567-b bash -l"),
        (commands.port(LABELS, "b"), "docker port onecard-01234567-b 22/tcp"),
        (commands.list_boxes(LABELS),
         "docker ps --all --filter label=onecard.project=01234567 --format {{.Names}} {{.State}}"),
        (commands.images(LABELS),
         "docker image ls --filter label=onecard.project=01234567 "
         "--format {{.Repository}}:{{.Tag}}"),
    ],
)  # fmt: skip
def test_docker_commands(command: list[str], expected: str) -> None:
    assert " ".join(command) == expected


def test_docker_answers_are_read() -> None:
    listing = "onecard-01234567-box1 running\nonecard-01234567-b-2 exited\nother running\n"
    assert commands.parse_list(listing, LABELS) == {"box1": "running", "b-2": "stopped"}
    assert commands.parse_port("127.0.0.1:49153\n") == 49153


def test_the_archive_is_the_same_for_the_same_files() -> None:
    files = {"/b": TreeFile(b"2", 0o600), "/a": TreeFile(b"1")}
    assert archive(files) == archive(dict(reversed(files.items())))
    assert archive(files) != archive({"/a": TreeFile(b"1")})


@pytest.mark.parametrize("driver", [NspawnDriver, DockerDriver])
def test_a_box_that_is_not_there_is_a_wrong_flag(
    driver: type[NspawnDriver | DockerDriver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\n")  # it has no containers
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    boxes = driver(tmp_path, tmp_path / "inventory", print)
    for ask in (lambda: boxes.down(["nope"]), lambda: boxes.shell("nope")):
        with pytest.raises(UsageError, match=r"--name: there is no sandbox box 'nope'.*none"):
            ask()
    assert boxes.down(None) == []


def test_a_docker_command_that_fails_is_a_sandbox_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(
        "#!/bin/sh\ncase $1 in cp) cat >/dev/null; echo no space left >&2; exit 1 ;; "
        "container) exit 1 ;; esac\n"
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    driver = DockerDriver(tmp_path, tmp_path / "inventory", print)
    with pytest.raises(SandboxError, match="docker cp - failed with exit code 1") as caught:
        driver._make("box1", "image:1", controller())
    assert caught.value.detail == "no space left"
