"""A report that is published holds no secret, address, host name or user name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onecard.commands import inspection
from onecard.diagnosis.redaction import Known, redact

# What is planted, and the value that must not stay.
PLANTED = [
    ("HF_TOKEN=hf_abcdEFGHijklMNOPqrstUVWX", "abcdEFGH"),
    ("Environment=VLLM_API_KEY=Sup3rS3cretKey", "Sup3rS3cretKey"),
    ("non-default args: {'api_key': ['Sup3rS3cretKey'], 'port': 8000}", "Sup3rS3cretKey"),
    ("vllm serve m --api-key Sup3rS3cretKey --port 8000", "Sup3rS3cretKey"),
    ("vllm serve m --api-key=Sup3rS3cretKey", "Sup3rS3cretKey"),
    ('{"password": "Sup3rS3cretKey"}', "Sup3rS3cretKey"),
    ("db_passwd: Sup3rS3cretKey", "Sup3rS3cretKey"),
    ("Authorization: Bearer Sup3rS3cretKey", "Sup3rS3cretKey"),
    ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENG", "wJalrXUtn"),
    ("aws_access_key_id = AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
    ("using key ghp_0123456789abcdefghijABCDEFGHIJ012345", "ghp_0123456789"),
    ("got nvapi-0123456789abcdefghij", "nvapi-0123456789"),
    ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc", "eyJzdWIiOiIxMjM0In0"),
    ("index https://robot:Sup3rS3cretKey@pypi.acme.example/simple", "Sup3rS3cretKey"),
    ("https://cas.hf.co/x?X-Amz-Signature=0a1b2c3d4e&Expires=9", "0a1b2c3d4e"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----",
     "b3BlbnNzaC1rZXk"),
    ("connect to 10.20.30.40:8000", "10.20.30.40"),
    ("(RayWorkerWrapper pid=5, ip=10.20.30.40) x", "10.20.30.40"),
    ("VLLM_HOST_IP=10.20.30.40", "10.20.30.40"),
    ("from 10.20.30.40-10.20.30.99.", "10.20.30.99"),
    ("bind on ('2001:db8::8a2e:370:7334', 8000)", "2001:db8::8a2e:370:7334"),
    ("link/ether 02:42:ac:11:00:02", "02:42:ac:11:00:02"),
    ("Nov 23 08:31:09 acme-h100 vllm[123]: text", "acme-h100"),
    ("2026-11-23T08:31:09+0000 acme-h100 vllm[123]: text", "acme-h100"),
    ("Wed 2026-09-09 12:00:00 UTC acme-h100 vllm[123]: text", "acme-h100"),
    ("acme-h100:27907:27907 [1] transport/net.cc:254 NCCL INFO y", "acme-h100"),
    ("[2025-07-21 19:05:29] acme-h100:27907:27907 [1] NCCL INFO x", "acme-h100"),
    ("http://models.acme.internal:9000/v1", "models.acme.internal"),
    ("resolved gpu7.acme.internal", "gpu7.acme.internal"),
    ("node ip-10-20-30-40 joined", "ip-10-20-30-40"),
    ("(venv) jane@acme-h100:~$ vllm serve", "jane"),
    ('File "/home/jane.doe/venv/lib/python3.12/site-packages/vllm/x.py", line 3', "jane.doe"),
    ("C:\\Users\\jane.doe\\models", "jane.doe"),
    ("Started Session 3 of user jane.", "jane"),
    ("USER=jane", "jane"),
    ("uid=1000(jane) gid=1000", "jane"),
    ("mail jane.doe@acme.example", "jane.doe@acme"),
    ("'uuid': 'GPU-0d8d8b4d-0c4e-5a7e-9f2c-6b3c2b1a0f9e'", "0d8d8b4d"),
    ("Serial Number : 1652922013456", "1652922013456"),
]  # fmt: skip
KEPT = [
    "http://127.0.0.1:8000/health",
    "bind on address ('0.0.0.0', 8000)",
    "https://huggingface.co/Qwen/Qwen3-8B/resolve/main/config.json",
    "nvidia-cublas-cu12==12.9.1.4",
    "Driver Version: 580.95.05",
    "cuDNN version 9.10.2.21",
    "max_tokens=4096, num_tokens: 12, tokenizer='Qwen/Qwen3-8B'",
    "'api_key': None, 'hf_token': None",
    "0000:01:00.0 NVIDIA H100",
    "09-09 12:00:00 [core.py:1330] c10::Error std::string at::Tensor",
    'File "/usr/local/lib/python3.12/dist-packages/vllm/v1/engine/core.py", line 1103',
    "ValueError: Tokenizer class TokenizersBackend does not exist",
    "User=onecard",
    "/root/.cache/huggingface/hub",
    "torch.ops.vllm.moe_forward.default",
]


@pytest.mark.parametrize(("line", "private"), PLANTED)
def test_a_private_value_goes(line: str, private: str) -> None:
    redacted = redact(f"before\n{line}\nafter\n")
    assert private not in redacted
    assert redacted.startswith("before\n") and redacted.endswith("\nafter\n")


@pytest.mark.parametrize("line", KEPT)
def test_what_explains_the_failure_stays(line: str) -> None:
    assert redact(line) == line


def test_known_names_go_wherever_they_are() -> None:
    known = Known(hosts=("gpubox", "db1.acme"), users=("jane",), addresses=("fd00::7",))
    text = redact("gpubox said jane to GPUBOX and db1.acme at fd00::7; gpuboxes", known)
    assert text == "<host-2> said <user-1> to <host-2> and <host-1> at <address-1>; gpuboxes"


def test_one_value_has_one_placeholder() -> None:
    text = redact("10.0.0.1 10.0.0.2 10.0.0.1")
    assert text == "<address-1> <address-2> <address-1>"


def test_the_report_of_a_saved_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, report = tmp_path / "x.log", tmp_path / "report.md"
    rows = [line for line, _ in PLANTED] + [f"line {number}" for number in range(500)]
    error = "FrobnicationError: no frobs for /home/jane.doe at 10.20.30.40"
    trace = ["Traceback (most recent call last):", '  File "/home/jane.doe/x.py", line 1, in f']
    log.write_text("\n".join([*rows, *trace, error]))
    assert inspection.diagnose(str(log), "", as_json=False, report=str(report)) == 1
    text = report.read_text()
    for _, private in PLANTED:
        assert private not in text
    assert "FrobnicationError: no frobs for /home/<user-" in text
    assert "rule: none" in text
    assert re.search(r"(?m)^line 499$", text) and not re.search(r"(?m)^line 99$", text)
    assert str(report) in capsys.readouterr().err


def test_without_a_rule_the_report_is_advised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "x.log"
    log.write_text("FrobnicationError: no frobs\nRuntimeError: Engine core initialization failed.")
    assert inspection.diagnose(str(log), "", as_json=False) == 1
    printed = capsys.readouterr()
    assert "No rule knows this failure" in printed.out
    assert "FrobnicationError: no frobs" in printed.out
    assert "--report FILE" in printed.err
