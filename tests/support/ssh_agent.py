"""An ssh-agent of the tests' own."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def agent_with(*keys: Path, **environment: str) -> Iterator[str]:
    """Run an agent that has these keys; yield its socket. environment: of ssh-add."""
    with tempfile.TemporaryDirectory() as short:  # a socket's path is short
        place = f"{short}/agent"
        # -P: it may load any library for security keys.
        words = ["ssh-agent", "-D", "-P", "*", "-a", place]
        agent = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 30
            while not Path(place).exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            its_own = {**os.environ, **environment, "SSH_AUTH_SOCK": place}
            subprocess.run(["ssh-add", "-q", *keys], check=True, capture_output=True, env=its_own)
            yield place
        finally:
            agent.terminate()
            agent.wait()
