"""Logs as people have them: wrapped, prefixed, as records, compressed, of several servers."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import textwrap
from collections.abc import Callable

import pytest

from onecard.diagnosis import diagnose
from onecard.diagnosis.reading.log_text import log_text

CORE = "(EngineCore pid=81) ERROR 09-09 12:00:00 [core.py:1330]"
LINES = [
    "(APIServer pid=7) INFO 09-09 11:59:00 [api_server.py:1] vLLM API server version 0.27.0",
    "(EngineCore pid=81) INFO 09-09 12:00:00 [gpu_worker.py:789] Available KV cache memory: 9.28 GiB",
    f"{CORE} EngineCore failed to start.",
    f"{CORE} Traceback (most recent call last):",
    f'{CORE}   File "/v/vllm/v1/core/kv_cache_utils.py", line 699, in check',
    f"{CORE}     raise ValueError(",
    f"{CORE} ValueError: To serve at least one request with the model's max seq len (262144), 9.29 GiB"
    " KV cache is needed, which is larger than the available KV cache memory (9.28 GiB). Based on the"
    " available memory, the estimated maximum model length is 260800.",
    "(APIServer pid=7) RuntimeError: Engine core initialization failed. See root cause above.",
]  # fmt: skip
TEXT = "\n".join(LINES) + "\n"


def check(text: str, *, line: int = 7) -> None:
    found = diagnose(text)
    assert (found.rule, found.command) == ("ctx-does-not-fit", "invoke deploy --ctx 260800")
    assert found.line_number == line
    assert "262144 tokens needs 9.29 GiB" in found.cause


def test_the_log_itself() -> None:
    check(TEXT)


PREFIXES = {
    "docker logs -t": "2026-09-09T12:00:00.123456789Z ",
    "docker logs -t, zone": "2026-09-09T12:00:00.123456789+02:00 ",
    "kubernetes": "2026-09-09T12:00:00.123456789Z stderr F ",
    "kubectl --prefix": "[pod/vllm-0/vllm] ",
    "kubectl --prefix --timestamps": "[pod/vllm-0/vllm] 2026-09-09T12:00:00.123456789Z ",
    "compose": "vllm-1  | ",
    "journal short": "Sep 09 12:00:00 gpu-1 vllm[81]: ",
    "journal short-precise": "Sep 09 12:00:00.123456 gpu-1 vllm[81]: ",
    "journal short-full": "Wed 2026-09-09 12:00:00 UTC gpu-1 vllm[81]: ",
    "journal short-iso": "2026-09-09T12:00:00+0000 gpu-1 vllm[81]: ",
    "journal short-unix": "1788955200.123456 gpu-1 vllm[81]: ",
    "journal short-monotonic": "[ 4711.123456] gpu-1 vllm[81]: ",
    "journal with-unit": "Wed 2026-09-09 12:00:00 UTC gpu-1 vllm.service[81]: ",
}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_a_prefix(prefix: str) -> None:
    check("".join(f"{prefix}{line}\n" for line in LINES))


def coloured(line: str) -> str:
    process, _, rest = line.partition(") ")
    return f"\x1b[1;36m{process})\x1b[0;0m {rest}"


def test_colours_and_windows_line_ends() -> None:
    check("\r\n".join(coloured(line) for line in LINES))
    check(log_text(("\ufeff" + "\r\n".join(LINES)).encode("utf-8")).replace("\n", "\r\n"))


@pytest.mark.parametrize("width", [80, 100, 120, 160])
@pytest.mark.parametrize("at_words", [True, False], ids=["words", "characters"])
def test_wrapped_lines(width: int, at_words: bool) -> None:
    rows: list[str] = []
    for line in LINES:
        if at_words:
            rows += textwrap.wrap(line, width, break_long_words=False, drop_whitespace=True)
        else:
            rows += [line[start : start + width] for start in range(0, len(line), width)]
    found = diagnose("\n".join(rows))
    assert (found.rule, found.command) == ("ctx-does-not-fit", "invoke deploy --ctx 260800")
    assert "ValueError: To serve" in rows[found.line_number - 1]


def test_source_code_is_not_joined_into_a_message() -> None:
    lines = [
        "Traceback (most recent call last):",
        '  File "/v/vllm/v1/core/kv_cache_utils.py", line 6, in check_memory_of_cache',
        '    raise ValueError("No available memory for the cache blocks. Try more.")',
        "FrobnicationError: no frobs",
    ]
    found = diagnose("\n".join(lines))
    assert (found.rule, found.exception) == (None, "FrobnicationError: no frobs")


def journal_record(line: str, **other: object) -> dict[str, object]:
    return {
        "__REALTIME_TIMESTAMP": "1788955200123456",
        "_HOSTNAME": "gpu-1",
        "SYSLOG_IDENTIFIER": "vllm",
        "_PID": "81",
        "MESSAGE": line,
        **other,
    }


RECORDS: dict[str, Callable[[], str]] = {
    "docker": lambda: "\n".join(json.dumps({"log": f"{line}\n"}) for line in LINES),
    "journal json": lambda: "\n".join(json.dumps(journal_record(line)) for line in LINES),
    "journal json-seq": lambda: "\n".join(
        "\x1e" + json.dumps(journal_record(line)) for line in LINES
    ),
    "journal json-pretty": lambda: "\n".join(
        json.dumps(journal_record(line), indent=8) for line in LINES
    ),
    "journal bytes": lambda: "\n".join(
        json.dumps(journal_record("", MESSAGE=list(coloured(line).encode()))) for line in LINES
    ),
    "structured": lambda: "\n".join(
        json.dumps({"severity": "ERROR", "message": line}) for line in LINES
    ),
    "google cloud": lambda: "\n".join(json.dumps({"textPayload": line}) for line in LINES),
}


@pytest.mark.parametrize("records", RECORDS.values(), ids=RECORDS)
def test_records_of_a_collector(records: Callable[[], str]) -> None:
    check(log_text(records().encode()))


def test_lines_that_a_runtime_has_split() -> None:
    head, tail = LINES[6][:200], LINES[6][200:]
    stamp = "2026-09-09T12:00:00.1Z stderr "
    rows = [f"{stamp}F {line}" for line in LINES]
    check(log_text("\n".join([*rows[:6], f"{stamp}P {head}", f"{stamp}F {tail}"]).encode()))
    parts = [{"log": f"{line}\n"} for line in LINES[:6]] + [{"log": head}, {"log": tail + "\n"}]
    check(log_text("\n".join(json.dumps(part) for part in parts).encode()))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_log(pack: Callable[[bytes], bytes]) -> None:
    packed = pack(TEXT.encode())
    check(log_text(packed))
    with pytest.raises(ValueError, match="is compressed, and damaged"):
        log_text(packed[: len(packed) // 2])


@pytest.mark.parametrize(
    "prefix",
    ["{}-1  | ", "[pod/{}-0/vllm] ", "Sep 09 12:00:00 gpu-1 {}[81]: "],
    ids=["compose", "kubectl", "journal"],
)
def test_two_servers_line_by_line(prefix: str) -> None:
    good = [LINES[0], LINES[1], "(APIServer pid=7) INFO:     Application startup complete."]
    rows: list[str] = []
    for number, line in enumerate(LINES):
        rows.append(prefix.format("first") + line)
        if number < len(good):
            rows.append(prefix.format("second") + good[number])
    found = diagnose("\n".join(rows))
    assert found.rule == "ctx-does-not-fit"
    assert "ValueError: To serve" in rows[found.line_number - 1]
    assert diagnose("\n".join(row for row in rows if "second" in row)).failure is False


def started(model: str, *rest: str) -> str:
    head = [
        LINES[0],
        f"(APIServer pid=7) INFO 09-09 11:59:00 [u.py:1] non-default args: {{'model': '{model}'}}",
    ]
    return "\n".join([*head, *rest]) + "\n"


def test_two_servers_one_after_the_other() -> None:
    came_up = "(APIServer pid=7) INFO:     Application startup complete."
    failed = started("a/first", *LINES[1:])
    assert diagnose(failed + started("b/second", came_up)).rule == "ctx-does-not-fit"
    assert diagnose(failed + started("a/first", came_up)).failure is False  # corrected since


def test_of_several_starts_the_last_counts() -> None:
    systemd = "Sep 09 12:00:00 gpu-1 systemd[1]: Started vllm.service - vLLM.\n"
    journal = [f"Sep 09 12:00:00 gpu-1 vllm[81]: {line}\n" for line in LINES]
    taken = "Sep 09 11:00:00 gpu-1 vllm[80]: OSError: [Errno 98] Address already in use\n"
    found = diagnose(systemd + taken + systemd + "".join(journal))
    assert found.rule == "ctx-does-not-fit"
