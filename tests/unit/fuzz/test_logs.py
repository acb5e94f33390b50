"""Logs of any text: a diagnosis, phases, a redacted report; never an exception."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from onecard.diagnosis import diagnose
from onecard.diagnosis.advice import advice
from onecard.diagnosis.reading.log_text import log_text
from onecard.diagnosis.redaction import redact
from onecard.diagnosis.rule import shipped_rules
from onecard.errors import UsageError
from onecard.startup_log.tracker import StartTracker


@cache
def pieces() -> list[str]:
    """Return lines of logs that mean something, whole and in parts."""
    lines = [line for rule in shipped_rules() for line in rule.example.splitlines()]
    return [
        *lines,
        *(line[: len(line) // 2] for line in lines),
        "Traceback (most recent call last):",
        '  File "/x/vllm/engine/core.py", line 9, in run',
        "During handling of the above exception, another exception occurred:",
        "(EngineCore pid=99999999999999999999) ERROR 11-29 25:61:61 [core.py:1] x",
        "Nov 99 99:99:99 host vllm[0]: INFO",
        "INFO 02-30 00:00:00 [loader.py:1] Loading weights took 1e999 seconds",
        "Loading safetensors checkpoint shards: 999% Completed | 9/0 [00:00<?, ?it/s]\r\r\x1b[A",
        "GPU KV cache size: 9,,9 tokens",
        "Maximum concurrency for 0 tokens per request: inf x",
        "\x1b[31m\x1b]0;title\x07",
    ]


LOGS = st.lists(
    st.deferred(lambda: st.sampled_from(pieces())) | st.text(max_size=30), max_size=8
).map("\n".join)


@given(LOGS)
def test_a_diagnosis(log: str) -> None:
    found = diagnose(log)
    shown = [found.cause, found.fix, *(text for _, text in advice(found, "box"))]
    assert all("\x1b" not in text for text in shown)


@given(LOGS)
def test_a_start(log: str) -> None:
    tracker = StartTracker()
    for line in log.split("\n"):
        for event in tracker.feed(line):
            assert event.fraction is None or 0 <= event.fraction <= 1
    assert all(phase.seconds is None or phase.seconds >= 0 for phase in tracker.phases)


@given(LOGS)
def test_a_redacted_report(log: str) -> None:
    assert "hf_planted0123456789" not in redact(f"{log}\ntoken hf_planted0123456789\n{log}")


MAGIC = st.sampled_from(
    [b"", b"\x1f\x8b\x08\0", b"BZh9", b"\xfd7zXZ\0", b"PK\3\4", b"\xff\xfe", b"\xef\xbb\xbf"]
)


@given(st.tuples(MAGIC, st.binary(max_size=40)).map(b"".join))
def test_the_bytes_of_a_log(data: bytes) -> None:
    try:
        assert isinstance(log_text(data), str)
    except (UsageError, ValueError) as error:
        assert str(error).isprintable()
