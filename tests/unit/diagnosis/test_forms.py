"""Logs in forms that hide the true error: foreign prefixes, wrappers, source lines, requests."""

from __future__ import annotations

import pytest

from onecard.diagnosis import diagnose
from onecard.startup_log.line import read_line

CORE = "(EngineCore_DP0 pid=20973)"
STAMP = "ERROR 03-12 10:09:09 [core.py:708]"
FAILURE = [
    f"{CORE} INFO 03-12 10:09:01 [core.py:58] Initializing a V1 LLM engine",
    f"{CORE} {STAMP} EngineCore failed to start.",
    f"{CORE} {STAMP} Traceback (most recent call last):",
    f'{CORE} {STAMP}   File "/v/vllm/lora/manager.py", line 122, in _load_adapter',
    f"{CORE} {STAMP}     peft_helper.validate_legal(self.lora_config)",
    f"{CORE} {STAMP} ValueError: LoRA rank 64 is greater than max_lora_rank 16.",
    "(APIServer pid=1) Traceback (most recent call last):",
    '(APIServer pid=1)   File "/usr/local/bin/vllm", line 8, in <module>',
    "(APIServer pid=1)     sys.exit(main())",
    "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.",
]


def caret(line: str) -> str:
    process, _, rest = line.partition(") ")
    return f"^[[1;36m{process})^[[0;0m {rest}^M"


COATS = {
    "cat -v": caret,
    "rsyslog": lambda line: caret(line).replace("^[", "#033").replace("^M", "#015"),
    "compose, no index": lambda line: f"gemma-vllm-server  | {line}",
    "date and time": lambda line: f"2025-07-10 08:59:40 {line}",
    "bracketed time": lambda line: f"[2026-03-25T03:26:20Z] {line}",
    "quoted": lambda line: f"> {line}",
    "compose and time": lambda line: f"vllm  | 2025-07-10T08:59:40.123Z {line}",
    "nobody's": lambda line: f"[vllm-0 vllm] 17:03 <6> {line}",
}


@pytest.mark.parametrize("coat", COATS.values(), ids=COATS)
def test_a_foreign_prefix_hides_nothing(coat: object) -> None:
    assert callable(coat)
    text = "\n".join(coat(line) for line in FAILURE)
    assert diagnose(text).rule == "lora"
    unknown = text.replace("LoRA rank 64 is greater than max_lora_rank 16.", "no frobs")
    assert diagnose(unknown).exception == "ValueError: no frobs"


def test_a_prefix_that_is_learnt_goes_from_lines_without_a_mark_too() -> None:
    lines = [
        "node7/vllm-3> INFO 03-12 10:09:01 [core.py:58] one",
        "node7/vllm-3> INFO 03-12 10:09:02 [core.py:58] two",
        "node7/vllm-3> Traceback (most recent call last):",
        'node7/vllm-3>   File "/usr/local/bin/vllm", line 8, in <module>',
        "node7/vllm-3>     sys.exit(main())",
        "node7/vllm-3> FrobnicationError: no frobs",
    ]
    assert diagnose("\n".join(lines)).exception == "FrobnicationError: no frobs"


def test_the_level_is_found_behind_a_foreign_prefix() -> None:
    line = read_line("{k8s} <30> (APIServer pid=7) WARNING 03-12 10:09 [x.py:3] text")
    assert (line.process, line.level, line.message) == ("APIServer", "WARNING", "text")
    assert (
        diagnose(
            "[11:02] WARNING 03-12 10:09:09 [x.py:3] OSError: [Errno 24] Too many open files"
        ).failure
        is False
    )


def test_a_wrapper_quotes_the_true_error() -> None:
    text = (
        f"{STAMP} RuntimeError: Worker failed with error ''NoneType' object has no attribute 'x'',"
        " please check the stack trace above for the root cause\n"
        "terminate called after throwing an instance of 'c10::Error'\n"
    )
    found = diagnose(text)
    assert found.rule is None and "'NoneType' object has no attribute 'x'" in found.cause
    assert [other.rule for other in found.others] == ["crashed-native"]


def test_a_quote_of_several_lines_ends_with_the_error() -> None:
    lines = [
        "Traceback (most recent call last):",
        '  File "/v/vllm/multiproc_executor.py", line 185, in collective_rpc',
        "RuntimeError: Worker failed with error 'at 1:0:",
        "def fused_moe_kernel(",
        'FrobnicationError("no frobs")\', please check the stack trace above for the root cause',
    ]
    assert 'FrobnicationError("no frobs")' in diagnose("\n".join(lines)).cause


def test_the_source_that_a_traceback_shows_is_no_message() -> None:
    lines = [
        "Traceback (most recent call last):",
        '  File "/v/vllm/api_server.py", line 9, in validate',
        '    raise KeyError(f"invalid tool call parser: {args.parser} "',
        '                   "No available memory for the cache blocks")',
        "KeyError: 'invalid tool call parser: openai (chose from { hermes })'",
    ]
    found = diagnose("\n".join(lines))
    assert (found.rule, found.line_number) == ("unknown-parser", 5)
    assert "no tool parser named openai" in found.cause
    assert found.command == "invoke deploy --tool-call-parser auto"
    assert found.others == ()


@pytest.mark.parametrize(
    "line",
    [
        "triton.runtime.errors.Exhausted: out of frobs",
        f"{STAMP} FrobnicationError: no frobs",
        "    | frob.exceptions.FrobnicationError: no frobs",
    ],
)
def test_an_exception_without_its_tracebacks_head(line: str) -> None:
    wrapper = "RuntimeError: Engine core initialization failed. See root cause above."
    found = diagnose(f"{line}\n{wrapper}\n")
    assert found.failure and found.rule is None and found.line_number == 1


def test_frames_without_their_head_make_a_traceback() -> None:
    lines = [
        '  File "/v/vllm/gdn.py", line 3, in load',
        "    frobs[0]",
        "FrobnicationError: no frobs",
        "RuntimeError: Engine core initialization failed. See root cause above.",
    ]
    found = diagnose("\n".join(lines))
    assert found.exception == "FrobnicationError: no frobs"
    assert "/v/vllm/gdn.py:3 in load" in found.context


SERVED = ["INFO:     Application startup complete."]
GROUP = [
    "ERROR:    Exception in ASGI application",
    "  + Exception Group Traceback (most recent call last):",
    '  |   File "/v/starlette/_utils.py", line 76, in collapse_excgroups',
    "  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)",
    "  +-+---------------- 1 ----------------",
    "    | Traceback (most recent call last):",
    '    |   File "/v/vllm/entrypoints/openai/api_server.py", line 765, in authentication',
    "    | {error}",
]
PREPROCESSING = [
    "ERROR 11-05 03:37:40 [serving_chat.py:263] Error in preprocessing prompt inputs",
    "ERROR 11-05 03:37:40 [serving_chat.py:263] Traceback (most recent call last):",
    'ERROR 11-05 03:37:40 [serving_chat.py:263]   File "/v/vllm/utils.py", line 2, in fetch',
    "ERROR 11-05 03:37:40 [serving_chat.py:263] {error}",
]


@pytest.mark.parametrize("form", [GROUP, PREPROCESSING])
def test_a_request_that_fails_is_no_failure_of_the_server(form: list[str]) -> None:
    def served(error: str) -> str:
        return "\n".join(SERVED + form).replace("{error}", error)

    found = diagnose(served("ValueError: At most 1 image(s) may be provided in one prompt."))
    assert (found.failure, found.rule) == (False, "too-many-images")
    found = diagnose(served("frob.FrobnicationError: no frobs"))
    assert not found.failure and found.rule is None
    assert "FrobnicationError: no frobs" in found.cause and found.line
    assert diagnose(served("torch.OutOfMemoryError: CUDA out of memory.")).failure


def test_a_request_that_ends_the_engine_is_a_failure() -> None:
    error = "ValueError: Attempted to assign 1 x 2074 = 2074 multimodal tokens to 2040 placeholders"
    text = "\n".join(FAILURE).replace(
        "ValueError: LoRA rank 64 is greater than max_lora_rank 16.", error
    )
    assert (diagnose(text).failure, diagnose(text).rule) == (True, "request-placeholders")
    assert diagnose(error).failure is False


def test_pydantic_reports_why_below_its_header() -> None:
    text = (
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for SpeculativeConfig\n"
        "  Value error, num_frobs must be provided [type=value_error, input_value=1]\n"
    )
    found = diagnose(text)
    assert found.rule == "setting-refused-why"
    assert found.cause == "vLLM refused a setting: num_frobs must be provided"
    assert diagnose(text.split("\n", maxsplit=1)[0]).rule == "setting-refused"


def test_what_only_speaks_of_an_error_is_shown_but_is_none() -> None:
    found = diagnose("something went on\nthe frobs failed to load, going on\n")
    assert not found.failure and found.line_number == 2
    assert "No error that is known" in found.cause
