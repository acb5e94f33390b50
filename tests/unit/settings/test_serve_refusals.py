"""What serve.extra_args and serve.environment may not hold."""

from __future__ import annotations

import pytest

from onecard.settings import serve_refusals
from onecard.settings.serve_refusals import refused_variable
from onecard.settings.serve_settings import vllm_flags


def refused_argument(word: str) -> str:
    return serve_refusals.refused_argument(word, vllm_flags())


@pytest.mark.parametrize(
    "word",
    ["--seed", "0", "--load-format=dummy", "--model-impl", "--no-such-flag", "-cc.mode=3", "-O3",
     "--quantization-config", "--trust-remote-code", "--", "-", "", "-1", "host", "sk-not-a-flag"],
)  # fmt: skip
def test_other_arguments_pass(word: str) -> None:
    assert refused_argument(word) == ""


@pytest.mark.parametrize(
    ("word", "setting"),
    [
        ("--port", "serve.port"),
        ("--port=9000", "serve.port"),
        ("--max-model-len", "serve.ctx"),
        ("--max_model_len=8192", "serve.ctx"),
        ("--max-model-l", "serve.ctx"),
        ("--served-model-name", "model.name"),
        ("-tp", "serve.tensor_parallel"),
        ("-pp=2", "serve.pipeline_parallel"),
        ("--speculative-config.method", "serve.speculative_config"),
        ("--no-enable-prefix-caching", "serve.enable_prefix_caching"),
        ("--no-enforce-eager", "serve.enforce_eager"),
        ("--gpu-memory-utilization", "serve.gpu_memory_utilization"),
    ],
)
def test_what_has_a_setting_is_refused_with_its_name(word: str, setting: str) -> None:
    assert refused_argument(word).endswith(f" has a setting of its own: {setting}")


@pytest.mark.parametrize("word", ["--api-key", "--api-key=abc", "--api_key=abc", "--api-k=abc"])
def test_a_key_is_refused_and_not_shown(word: str) -> None:
    reported = refused_argument(word)
    assert reported.endswith("take it out, then: invoke secret set --name api-key")
    assert "abc" not in reported
    assert "--name hf-token" in refused_argument("--hf-token=abc")


@pytest.mark.parametrize(
    ("name", "value"),
    [("NCCL_DEBUG", "INFO"), ("CUDA_VISIBLE_DEVICES", "0"), ("VLLM_MAX_TOKENS_PER_EXPERT", "1"),
     ("TOKENIZERS_PARALLELISM", ""), ("PYTHONPATH", "/opt/more"), ("HTTPS_PROXY", "http://proxy:1")],
)  # fmt: skip
def test_other_variables_pass(name: str, value: str) -> None:
    assert refused_variable(name, value) == ""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HF_TOKEN", "hunter2", "looks like a secret"),
        ("VLLM_API_KEY", "hunter2", "looks like a secret"),
        ("S3_SECRET_ACCESS_KEY", "hunter2", "looks like a secret"),
        ("db_password", "hunter2", "looks like a secret"),
        # pragma: allowlist nextline secret
        ("HTTPS_PROXY", "http://me:hunter2@proxy:1", "an address with a name or password"),
        ("HOME", "/root", "onecard's own paths"),
        ("VLLM_CACHE_ROOT", "/tmp", "onecard's own paths"),
        ("ONECARD_CONFIGURATION", "x", "onecard's own"),
        ("VLLM_ENGINE_READY_TIMEOUT_S", "60", "serve.ready_timeout"),
        ("A B", "x", "is not the name of an environment variable"),
        ("A=B", "x", "is not the name of an environment variable"),
        ("1A", "x", "is not the name of an environment variable"),
        ("A", "x\nB=y", "is not one line of plain text"),
    ],
)
def test_a_refused_variable(name: str, value: str, words: str) -> None:
    reported = refused_variable(name, value)
    assert words in reported
    assert "hunter2" not in reported
