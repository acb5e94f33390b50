"""A server that died is a failure; no error is reported only where a server was seen to answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.diagnosis import NO_ERROR, diagnose
from onecard.diagnosis.verdict import NOT_SEEN_TO_ANSWER

FIELD = Path(__file__).parents[1] / "fixtures" / "logs" / "field"
UP = "(APIServer pid=82) INFO:     Application startup complete.\n"
STARTING = "(EngineCore pid=81) INFO 09-09 12:00:00 [core.py:1] Initializing a V1 LLM engine\n"

# log, rule, words of the cause, words of the advice
CASES = [
    ("a01-flashinfer-sm75-on-5090", "blackwell-cuda-too-old", "older than 12.9", "CUDA toolkit"),
    ("a11-no-backend-block-size", "attention-block-size", "block size 106", "--block-size"),
    (
        "a20-kv-too-small-0.27-wording",
        "ctx-does-not-fit",
        "262144 tokens needs 9.29 GiB of KV cache, 9.28 GiB are available; 260800 tokens fit",
        "invoke deploy --ctx 260800",
    ),
    ("a61-qwen3-next-engine-dead-qwen184", None, "the reason is not in this text", "whole log"),
    ("b13-dkms-headers-missing", "kernel-headers-missing", "6.8.0-60-generic",
     "linux-headers-6.8.0-60-generic"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rule", "cause", "what_to_do"), CASES)
def test_logs_from_the_field(name: str, rule: str | None, cause: str, what_to_do: str) -> None:
    found = diagnose((FIELD / f"{name}.log").read_text(encoding="utf-8"))
    assert (found.failure, found.rule) == (True, rule)
    assert cause in found.cause
    assert what_to_do in " ".join((found.fix, found.command, found.on_box))


@pytest.mark.parametrize(
    "end",
    [
        "(EngineCore pid=157) ERROR 04-12 18:43:21 [core.py:1112] EngineCore encountered a fatal error.",
        "(APIServer pid=1) ERROR 09-29 [core_client.py:564] Engine core proc EngineCore_DP0 died unexpectedly, shutting down client.",
        "Process EngineCore_DP0:",
        "Sep 09 12:00:00 gpu-1 systemd[1]: vllm.service: Main process exited, code=exited, status=1/FAILURE",
        "Sep 09 12:00:00 gpu-1 systemd[1]: vllm.service: Failed with result 'signal'.",
        "!!!!!!! Segfault encountered !!!!!!!",
        "./serve.sh: line 3: 4711 Killed                  vllm serve model",
        "command terminated with exit code 137",
    ],
)
@pytest.mark.parametrize("before", [UP, STARTING], ids=["up", "starting"])
def test_a_death_is_a_failure_whatever_it_says(before: str, end: str) -> None:
    found = diagnose(f"{before}{end}\n")
    assert found.failure
    assert found.line and found.cause and found.fix
    assert "not in this" in found.cause or found.rule


def test_no_error_needs_a_server_that_answered() -> None:
    assert diagnose(UP) is NO_ERROR
    request = 'INFO:     127.0.0.1:50 - "POST /v1/chat/completions HTTP/1.1" 200 OK\n'
    assert diagnose(request) is NO_ERROR
    start = "(APIServer pid=7) INFO 09-09 11:59:00 [a.py:1] vLLM API server version 0.27.0\n"
    for unseen in (STARTING, "", start + UP + start):
        found = diagnose(unseen)
        assert found == NOT_SEEN_TO_ANSWER
        assert not found.failure and "does not show that the server answered" in found.cause


def test_a_death_goes_before_a_failed_request() -> None:
    note = "ValueError: At most 1 image(s) may be provided in one prompt.\n"
    assert not diagnose(UP + note).failure
    death = "Sep 09 12:00:00 gpu-1 systemd[1]: vllm.service: Failed with result 'signal'.\n"
    assert diagnose(UP + note + death).failure
