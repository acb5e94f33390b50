"""The program that runs on the box, against a hub on this computer."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from onecard.box.hub_download import download as hub_download_download
from onecard.box.hub_download import repository
from onecard.box.hub_download.command import main
from onecard.box.hub_download.download import _SPARE, Download
from onecard.box.hub_download.note import NOTE
from onecard.box.hub_download.repository import DownloadError, Hub, RepositoryFile, loaded
from onecard.engine.host_plan import read_progress
from onecard.resources.files import hub as hub_model
from tests.support.hub_server import NOT_GRANTED, TOKEN, HubServer, Model

LARGE = random.Random(7).randbytes(3_000_000)
FILES = {
    "config.json": b'{"model_type": "qwen3_5"}',
    "model-00001-of-00002.safetensors": LARGE,
    "model-00002-of-00002.safetensors": LARGE[::-1],
    "sub folder/notes.txt": b"",
}
TOTAL = sum(len(content) for content in FILES.values())
FIRST = sorted(FILES)[1]


@pytest.fixture
def hub() -> Iterator[HubServer]:
    models = {"acme/tiny": Model(FILES), "acme/gated": Model(FILES, access="gated")}
    with HubServer(models).serving("127.0.0.1") as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models" / "tiny"


def command(hub: HubServer, folder: Path, model: str = "acme/tiny", *words: str) -> list[str]:
    archive = folder.parents[2] / f"{folder.parents[1].name}.pyz"
    archive.write_bytes(hub_model.program())
    return [sys.executable, "-I", str(archive), hub.url, model, str(folder), *words]


def download(
    hub: HubServer, folder: Path, model: str = "acme/tiny", *words: str
) -> tuple[int, list[str]]:
    """Return the exit code and the lines that are not progress."""
    done = subprocess.run(
        command(hub, folder, model, *words), capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    return done.returncode, [line for line in lines if read_progress(line) is None]


def there(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != NOTE
    }


def test_a_whole_model(hub: HubServer, folder: Path) -> None:
    code, lines = download(hub, folder)
    commit = hub.models["acme/tiny"].commit
    assert (code, lines) == (0, [f"4 files, 5.7 MiB, verified at {commit}"])
    assert there(folder) == FILES
    assert hub.total == TOTAL
    note = (folder / NOTE).read_text().splitlines()
    assert note[-2:] == [f"commit={commit}", "asked="]
    assert len(note) == 6
    assert download(hub, folder)[0] == 0
    assert hub.total == TOTAL  # nothing came twice


def test_progress_ends_at_the_end(hub: HubServer, folder: Path) -> None:
    hub.rate = 2e6
    done = subprocess.run(command(hub, folder), capture_output=True, text=True, timeout=60)
    reported = [found for line in done.stdout.splitlines() if (found := read_progress(line))]
    shares = [share for share, _ in reported]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert any("MiB/s" in text and text.endswith(" left") for _, text in reported)


def test_connections_that_break_are_taken_up_again(hub: HubServer, folder: Path) -> None:
    hub.cut_after = 1_200_000
    assert download(hub, folder)[0] == 0
    assert there(folder) == FILES
    assert hub.total == TOTAL


def test_a_killed_download_goes_on_where_it_was(hub: HubServer, folder: Path) -> None:
    hub.rate = 1.5e6
    process = subprocess.Popen(command(hub, folder), stdout=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while hub.total < 2_000_000:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    stored = sum(path.stat().st_size for path in folder.rglob(f"*{hub_download_download.PARTIAL}"))
    assert stored > 1_000_000
    whole = sum(len(content) for name, content in FILES.items() if (folder / name).exists())
    hub.rate = None
    hub.served.clear()
    assert download(hub, folder)[0] == 0
    assert there(folder) == FILES
    # The two broken connections may have counted a last chunk each after they were cut.
    assert TOTAL - stored - whole <= hub.total <= TOTAL - stored + 2 * 65536


def test_a_host_without_ranges_still_serves(hub: HubServer, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / f"{FIRST}{hub_download_download.PARTIAL}").write_bytes(b"x" * 1000)
    hub.ignore_range = True
    assert download(hub, folder)[0] == 0
    assert there(folder) == FILES


@pytest.mark.parametrize("size", [0, -5], ids=["same size", "truncated"])
def test_a_spoilt_file_is_found_and_downloaded_again(
    hub: HubServer, folder: Path, size: int
) -> None:
    download(hub, folder)
    hub.served.clear()
    spoilt = bytearray(FILES[FIRST][: len(LARGE) + size])
    spoilt[1000] ^= 1
    (folder / FIRST).write_bytes(spoilt)
    os.utime(folder / FIRST, (1, 1))
    code, lines = download(hub, folder)
    assert code == 0
    assert f"{FIRST} differs from the hub's file: downloading it again" in lines
    assert there(folder) == FILES
    assert hub.served == {FIRST: len(LARGE)}


def test_bytes_that_come_wrong_are_fetched_again_once(hub: HubServer, folder: Path) -> None:
    hub.garble = {FIRST: 1}
    assert download(hub, folder)[0] == 0
    assert there(folder) == FILES


def test_bytes_that_come_wrong_twice_are_an_error(hub: HubServer, folder: Path) -> None:
    hub.garble = {FIRST: 2}
    code, lines = download(hub, folder)
    assert code == 1
    assert lines[-1].startswith(f"error: {FIRST} was downloaded twice and does not match")
    assert FIRST not in there(folder)
    assert "commit=" not in (folder / NOTE).read_text()


@pytest.mark.parametrize(("expected", "code"), [("passed=yes", 0), ("trouble=no such model", 1)])
def test_the_config_is_judged_before_the_rest_comes(
    hub: HubServer, folder: Path, expected: str, code: int
) -> None:
    check = f"grep -q qwen3_5 {folder}/config.json && echo {expected}"
    done, lines = download(hub, folder, "acme/tiny", "--check", check)
    assert done == code
    if code:
        assert lines[-1] == "error: no such model (nothing but config.json was downloaded)"
        assert set(there(folder)) == {"config.json"}
        assert set(hub.served) == {"config.json"}
    else:
        assert there(folder) == FILES


def test_a_new_revision_replaces_the_old_ones_files(hub: HubServer, folder: Path) -> None:
    download(hub, folder)
    newer = {"config.json": b"{}", FIRST: LARGE}
    hub.models["acme/tiny"] = Model(newer, commit="f" * 40)
    hub.served.clear()
    assert download(hub, folder, "acme/tiny", "--revision", "f" * 40)[0] == 0
    assert there(folder) == newer
    assert hub.served == {"config.json": 2}


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        (("acme/gated", "", ""), "acme/gated is gated and there is no token (401): accept its licence"),
        (("acme/gated", NOT_GRANTED, ""), "acme/gated is gated and this token's account has no access (403)"),
        (("acme/gated", "hf_typo", ""), "the hub does not accept the token (401)"),
        (("acme/none", "", ""), "there is no model acme/none at {url}, or it is private and there is no token"),
        (("acme/none", TOKEN, ""), "there is no model acme/none at {url}"),
        (("acme/tiny", "", "v9"), "acme/tiny has no revision 'v9'"),
        (("acme/gated", TOKEN, "v1"), ""),
    ],
)  # fmt: skip
def test_what_the_hub_refuses(
    hub: HubServer, folder: Path, tmp_path: Path, requested: tuple[str, str, str], message: str
) -> None:
    model, token, revision = requested
    token_file = tmp_path / "token"
    if token:
        token_file.write_text(token)
    words = ("--revision", revision, "--token-file", str(token_file))
    code, lines = download(hub, folder, model, *words)
    assert not token_file.exists()
    assert hub.bytes_host_saw == []
    if not message:
        assert (code, there(folder)) == (0, FILES)
        return
    assert code == 1
    assert lines[-1].startswith("error: " + message.format(url=hub.url))
    assert len(lines) == 1
    assert hub.total == 0
    assert not folder.exists()
    if token:
        assert token not in lines[-1]


@pytest.mark.parametrize(
    ("names", "left_out"),
    [
        # meta-llama/Llama-3.1-8B-Instruct
        (
            ["config.json", "model-1.safetensors", "original/consolidated.00.pth", "original/params.json"],
            ["original/consolidated.00.pth", "original/params.json"],
        ),
        # openai/gpt-oss-20b
        (
            ["model-0.safetensors", "original/model.safetensors", "metal/model.bin"],
            ["original/model.safetensors", "metal/model.bin"],
        ),
        # mistralai/Mistral-7B-Instruct-v0.3: vLLM takes Mistral's own form where it is
        (
            ["config.json", "consolidated.safetensors", "model-1.safetensors", "model.safetensors.index.json", "params.json"],
            ["model-1.safetensors"],
        ),
        # google-bert/bert-base-uncased
        (
            ["flax_model.msgpack", "model.safetensors", "pytorch_model.bin", "tf_model.h5", "vocab.txt"],
            ["flax_model.msgpack", "pytorch_model.bin", "tf_model.h5"],
        ),
        (["config.json", "pytorch_model.bin"], []),
        (["model-Q4_K_M.gguf", "model-Q8_0.gguf"], []),
        (["model.safetensors", "model-Q8_0.gguf", "vision/extra.safetensors"], ["model-Q8_0.gguf"]),
    ],
)  # fmt: skip
def test_what_vllm_does_not_load_is_left_out(names: list[str], left_out: list[str]) -> None:
    files = [RepositoryFile(name, 1, "git:0") for name in names]
    stored = [file.path for file in loaded(files)]
    assert stored == [name for name in names if name not in left_out]


def test_a_query_changes_nothing(hub: HubServer, folder: Path, tmp_path: Path) -> None:
    hub.models["acme/tiny"] = Model({**FILES, "original/all.pth": LARGE})
    ask = ("--ask", str(tmp_path), "--other-size", str(10**15))  # it is there: not counted
    code, lines = download(hub, folder, "acme/tiny", *ask)
    commit = hub.models["acme/tiny"].commit
    assert (code, lines) == (0, [f"4 files, 5.7 MiB, available at {commit}"])
    assert hub.total == 0
    assert list(tmp_path.iterdir()) == []


def test_a_query_counts_what_is_installed_besides(hub: HubServer, folder: Path) -> None:
    ask = ("--ask", str(folder.parent.parent / "venv"), "--other-size", str(10**15))
    code, (line,) = download(hub, folder, "acme/tiny", *ask)
    assert code == 1
    assert line.startswith("error: acme/tiny takes 5.7 MiB, vLLM up to 931322.6 GiB, and ")
    assert "rent a larger disk" in line
    code, (line,) = download(hub, folder, "acme/gated", "--ask", str(folder))
    assert (code, hub.total) == (1, 0)
    assert line.startswith("error: acme/gated is gated and there is no token (401)")


def test_a_busy_hub_is_retried(hub: HubServer, folder: Path) -> None:
    hub.busy = [503, 429]
    assert download(hub, folder)[0] == 0
    assert there(folder) == FILES


@pytest.mark.parametrize(
    ("code", "more"), [(429, "--name hf-token"), (503, "run this again later")]
)
def test_a_hub_that_stays_busy_is_reached_all_the_same(
    hub: HubServer,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: int,
    more: str,
) -> None:
    class Left(BaseException):
        pass

    def leave(code: int) -> None:
        raise Left

    monkeypatch.setattr(repository, "_RETRY_S", 0.0)
    monkeypatch.setattr(hub_download_download.os, "_exit", leave)
    hub.busy = [code] * 9
    with pytest.raises(Left):
        main([hub.url, "acme/tiny", str(folder)])
    message = capsys.readouterr().out
    assert message.startswith(f"error: the hub at {hub.url} answers {code} ")
    assert more in message


def test_no_hub_there(hub: HubServer, folder: Path) -> None:
    hub.url = "http://127.0.0.1:9"
    code, (line,) = download(hub, folder)
    assert code == 1
    assert line.startswith("error: the hub cannot be reached at http://127.0.0.1:9 (")
    assert "hub.endpoint" in line
    assert not folder.exists()


def test_a_page_that_is_no_hub(hub: HubServer, folder: Path) -> None:
    hub.models["acme/tiny"] = Model(FILES, commit="a" * 40)
    hub.url += "/mirror"
    code, (line,) = download(hub, folder)
    assert code == 1
    assert line.startswith("error: there is no model acme/tiny at")


def test_a_name_that_leads_out_of_the_folder(hub: HubServer, folder: Path) -> None:
    hub.models["acme/tiny"] = Model({"../../evil": b"x"})
    code, (line,) = download(hub, folder)
    assert (code, line) == (
        1,
        "error: the hub names a file outside of the model's folder: '../../evil'",
    )


def test_too_little_room_is_reported_before_the_first_byte(hub: HubServer, folder: Path) -> None:
    free = shutil.disk_usage(folder.parent.parent).free
    real = hub_download_download.os.statvfs

    class Full:
        f_frsize = 1
        f_bavail = _SPARE + TOTAL - 1_000_000

    hub_download_download.os.statvfs = lambda path: Full()  # type: ignore[assignment]
    try:
        requested = Hub(hub.url, "acme/tiny", "", "")
        with pytest.raises(DownloadError) as caught:
            Download(requested, folder).run()
    finally:
        hub_download_download.os.statvfs = real
    assert free > 0
    assert "acme/tiny takes 5.7 MiB, and " in str(caught.value)
    assert "make room for 976.6 KiB more" in str(caught.value)
    assert (hub.total, folder.exists()) == (0, False)
