"""`invoke tunnel` on a real box: what it prints works when pasted, and it outlives its connection."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.box.conftest import INVOKE, PROJECT, Box, Controller, wait_until

pytestmark = pytest.mark.box


class Tunnel:
    """A running `invoke tunnel`; what it prints goes to files, as a user's redirection does."""

    def __init__(self, controller: Controller, folder: Path, *words: str) -> None:
        self.out, self.err = folder / "out", folder / "err"
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [INVOKE, "tunnel", "--host", "sandbox", *words],
                cwd=PROJECT,
                env=controller.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def wait_for(self, text: str, file: Path | None = None) -> str:
        file = file or self.out
        return until(
            lambda: file.read_text() if text in file.read_text() else "",
            lambda: f"no {text!r}: {self.out.read_text()}{self.err.read_text()}",
        )

    def close(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)


def until(look: Callable[[], Any], otherwise: Callable[[], str], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    pytest.fail(otherwise())


@contextlib.contextmanager
def tunnel(controller: Controller, folder: Path, *words: str) -> Iterator[Tunnel]:
    opened = Tunnel(controller, folder, *words)
    try:
        yield opened
    finally:
        opened.process.kill()
        opened.process.wait()


def models(document: dict[str, Any]) -> list[str]:
    key = Path(document["key_file"]).read_text().strip()
    with openai.OpenAI(base_url=document["url"], api_key=key, max_retries=0, timeout=10) as client:
        return [model.id for model in client.models.list()]


def test_the_printed_lines_work_when_pasted(
    controller: Controller, box: Box, deployed: Any, tmp_path: Path
) -> None:
    key = box("sed s/VLLM_API_KEY=// /etc/onecard/api-key.env").strip()
    with tunnel(controller, tmp_path) as opened:
        printed = opened.wait_for("Ctrl-C closes the tunnel")
        _, curl, rest = printed.partition("sed ")
        curl = curl + rest.partition("\n\n")[0]
        snippet = "import base64" + printed.partition("import base64")[2].partition("\n\n")[0]
        requested = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=60)
        assert json.loads(requested.stdout)["choices"][0]["message"]["content"], requested.stderr
        answer = subprocess.run(
            [sys.executable, "-c", snippet], capture_output=True, text=True, timeout=60
        )
        assert answer.stdout.strip().lower().rstrip(".") == "red", answer.stderr
        assert opened.close() == 0
    (file,) = (controller.inventory / "kept").glob("*/api-key")
    assert (file.read_text().strip(), file.stat().st_mode & 0o777) == (key, 0o600)
    assert key not in printed + opened.err.read_text()
    assert "Traceback" not in opened.err.read_text()


def is_bound(listener: socket.socket) -> bool:
    with contextlib.suppress(OSError):
        listener.bind(("127.0.0.1", 8000))
        listener.listen(1)
        return True
    return False


def test_it_takes_another_port_and_survives_a_lost_connection(
    controller: Controller, box: Box, deployed: Any, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wait_until(None, lambda: is_bound(taken))  # another test's tunnel may have it for now
        with tunnel(controller, tmp_path, "--json") as opened:
            document = json.loads(opened.wait_for("}\n"))
            assert not document["url"].startswith("http://127.0.0.1:8000/")
            assert "port 8000 is taken" in opened.err.read_text()
            assert models(document) == [document["model"]] == ["tiny-vqa"]
            box("kill -9 $(pgrep -u admin sshd)")  # the tool logs in as admin, this test as root
            opened.wait_for("connected again", opened.err)
            assert models(document) == ["tiny-vqa"]
            assert opened.close() == 0
        refused = controller.invoke("tunnel", "--host", "sandbox", "--port", "8000")
        assert refused.returncode == 2
        assert "--port: 8000" in refused.stderr
