"""One line of a megabyte, of any kind, is read within a second by each parser; in the unit tests, of 100 kB."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import settings

from onecard.api.failures import server_message
from onecard.api.metrics import read_metrics
from onecard.api.stream import read_stream
from onecard.cli.set_flag import read_settings
from onecard.diagnosis import diagnose
from onecard.diagnosis.reading.log_text import log_text
from onecard.diagnosis.redaction import redact
from onecard.engine.host_plan import read_event, read_progress
from onecard.errors import OnecardError
from onecard.facts import PROBES, read_facts
from onecard.server.state import read_state
from onecard.ssh.probe_batch import Answer, parse
from onecard.startup_log.tracker import StartTracker

SIZE = 2_500 * settings.default.max_examples  # characters: 125,000; a million in `make fuzz`
# A second for a million, on an idle machine: on a busy one a process takes more of its own time.
LONGEST_S = 3.0 * SIZE / 1_000_000
ATOMS = (
    "x", "9", " ", "\t", "a ", "1.", "1,", "::", "a:", "=", "/", "\\", "-", "[", "{", "(", "'", '"',
    "%", "\r", "\x1b[", "\x1b]0;", "<", "a.b@", "http://", "a=b ", "token ", "File ", "Error: ",
    "(pid=1) ", "INFO 11-29 10:00:00 ", "vllm:num_requests_running{", "é", "\0", "|", "hf_",
)  # fmt: skip
READERS: Mapping[str, Callable[[str], Any]] = {
    "diagnosis": diagnose,
    "start": lambda text: StartTracker().feed(text),
    "redaction": redact,
    "log": lambda text: log_text(text.encode()),
    "metrics": read_metrics,
    "stream": lambda text: read_stream([b"data: " + text.encode()], lambda: 0.0, 0.0, ""),
    "message": server_message,
    "step": read_event,
    "progress": read_progress,
    "frame": lambda text: parse(f"@onecard {text}", ["0"]),
    "state": lambda text: read_state(f"Command={text}"),
    "facts": lambda text: read_facts(
        {name: Answer(f"gpu={text[: SIZE // len(PROBES)]}") for name in PROBES}
    ),
    "--set": lambda text: read_settings([f"serve.ctx={text}"]),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_line_of_a_megabyte(reader: str) -> None:
    with suppress(OnecardError, ValueError):
        READERS[reader]("x")  # loads the rules
    slow = []
    for atom in ATOMS:
        text = atom * (SIZE // len(atom))
        started = time.process_time()
        with suppress(OnecardError, ValueError):
            READERS[reader](text)
        if (took := time.process_time() - started) > LONGEST_S:
            slow.append(f"{atom!r}: {took:.1f} s")
    assert not slow
