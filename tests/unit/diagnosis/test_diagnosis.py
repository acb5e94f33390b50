"""Diagnosis of real logs, with every prefix that a journal adds, and of every rule's example."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from onecard.diagnosis import Rule, diagnose, load_rules, shipped_rules
from onecard.errors import UsageError

LOGS = Path(__file__).parents[1] / "fixtures" / "logs"

# log, rule, the command to type, the line that decides
FAILING = [
    ("cpu-0.32.0-bad-arch.log", "model-type-unknown", "invoke upgrade", 10),
    ("cpu-0.32.0-bad-flag.log", "unknown-flag", "", 5),
    (
        "cpu-0.32.0-bad-parser.log",
        "unknown-parser",
        "invoke deploy --reasoning-parser auto",
        64,
    ),
    (
        "cpu-0.32.0-engine-crash-on-first-request.log",
        "head-size-unsupported",
        "invoke deploy --model PATH_OR_NAME",
        193,
    ),
    ("cpu-0.32.0-hub-model-offline.log", "hub-offline", "invoke provision", 62),
    ("cpu-0.32.0-kv-too-small-262144.log", "ctx-does-not-fit", "invoke deploy --ctx 203008", 83),
    ("cpu-0.32.0-len-above-model.log", "ctx-above-model", "invoke deploy --ctx 4096", 53),
    (
        "cpu-0.32.0-mem-util-too-high.log",
        "cpu-memory-taken",
        "invoke deploy --gpu-memory-utilization 0.91",
        54,
    ),
    ("cpu-0.32.0-no-model.log", "model-folder-missing", "invoke deploy --model PATH_OR_NAME", 52),
    ("cpu-0.32.0-port-in-use.log", "port-taken", "invoke deploy --port 8012", 38),
    ("cpu-0.32.0-engine-killed.log", "engine-vanished", "invoke logs", 90),
    ("h200-0.25.1-max-num-seqs-fail.log", "max-num-seqs", "invoke deploy --max-num-seqs 313", 1000),
]
GOOD = [
    "cpu-0.32.0-api-key.log",
    "cpu-0.32.0-len-262144-ok.log",
    "cpu-0.32.0-metrics.txt",
    "cpu-0.32.0-ok.log",
    "h200-0.25.1-ctx4096-ok.log",
    "h200-0.25.1-ctx65536-ok.log",
    "h200-0.25.1-metrics.txt",
]
COATS = [
    "",
    "Nov 23 08:31:09 gpu-1 vllm[123]: ",
    "2026-11-23T08:31:09+0000 gpu-1 vllm[123]: ",
    "2026-11-23T08:31:09.123456Z ",
]
STARTED = "Nov 23 08:31:09 gpu-1 systemd[1]: Started vllm.service - vLLM.\n"


def read(name: str, coat: str = "") -> str:
    text = (LOGS / name).read_bytes().decode()  # with the carriage returns of progress bars
    return "".join(coat + line + "\n" for line in text.split("\n")) if coat else text


@pytest.mark.parametrize("coat", COATS)
@pytest.mark.parametrize(("name", "rule", "command", "line"), FAILING)
def test_a_real_failure(name: str, rule: str, command: str, line: int, coat: str) -> None:
    found = diagnose(read(name, coat))
    assert (found.rule, found.command, found.line_number) == (rule, command, line)
    assert found.failure and found.line and found.context and "{" not in found.cause + found.fix
    assert found.to_json().keys() >= {"rule", "cause", "fix", "command", "on_box", "line"}


@pytest.mark.parametrize("coat", COATS)
@pytest.mark.parametrize("name", GOOD)
def test_a_successful_log_has_no_error(name: str, coat: str) -> None:
    found = diagnose(read(name, coat))
    assert not found.failure and found.rule is None
    assert found.to_json()["line"] == ""


@pytest.mark.parametrize("rule", shipped_rules(), ids=lambda rule: rule.id)
def test_every_rule_knows_its_example(rule: Rule) -> None:
    found = diagnose(rule.example)
    assert found.rule == (None if rule.kind == "wrapper" else rule.id)
    assert found.failure is (rule.kind != "note")


# Row of the table of known failures, its message, the rule.
TABLE = [
    (
        1,
        "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 9 (apt-get)",
        "apt-lock",
    ),
    (
        2,
        "E: dpkg was interrupted, you must manually run 'sudo dpkg --configure -a'",
        "dpkg-interrupted",
    ),
    (
        3,
        "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
        "driver-not-loaded",
    ),
    (4, "Error! Bad return status for module build on kernel: 6.8.0 (x86_64)", "dkms-build"),
    (
        5,
        "NVRM: API mismatch: the client has version 580.1, but this kernel module has version 580.2",
        "nvml-mismatch",
    ),
    (6, "NVRM: nouveau, rivafb, nvidiafb or rivatv", "nouveau"),
    (7, "modprobe: ERROR: could not insert 'nvidia': Required key not available", "secure-boot"),
    (8, "No devices were found", "no-gpu-found"),
    (9, "cuda runtime error (802) : system not yet initialized", "fabric-manager-needed"),
    (
        10,
        "fabric manager NVIDIA GPU driver interface version 530.30.02 don't match with driver version 530.41.03.",
        "fabric-manager-version",
    ),
    (
        11,
        "failed with error:WARNING Nothing to do [NV_WARN_NOTHING_TO_DO]",
        "fabric-manager-not-needed",
    ),
    (
        12,
        "RuntimeError: The NVIDIA driver on your system is too old (found version 12080).",
        "driver-too-old",
    ),
    (
        13,
        "ImportError: libcudart.so.13: cannot open shared object file: No such file",
        "cuda-library-missing",
    ),
    (14, "RuntimeError: operator torchvision::nms does not exist", "torchvision-mismatch"),
    (15, "error: externally-managed-environment", "externally-managed"),
    (
        16,
        "The virtual environment was not created successfully because ensurepip is not available.",
        "ensurepip-missing",
    ),
    (
        17,
        "ERROR: Package 'vllm' requires a different Python: 3.10.12 not in '<3.15,>=3.11'",
        "python-version",
    ),
    (
        18,
        "/tmp/a/main.c:4:10: fatal error: Python.h: No such file or directory\nsubprocess.CalledProcessError: Command '['/usr/bin/gcc', '/tmp/a/main.c'",
        "python-headers",
    ),
    (19, "/bin/sh: 1: /usr/local/cuda/bin/nvcc: not found", "nvcc-missing"),
    (
        20,
        "/bin/sh: 1: :/usr/local/cuda-12.8/bin/nvcc: not found\nninja: build stopped: subcommand failed.",
        "cuda-home-colon",
    ),
    (21, "FileNotFoundError: [Errno 2] No such file or directory: 'ninja'", "ninja-missing"),
    (22, "PermissionError: [Errno 13] Permission denied: '/home/x/.triton'", "cache-not-writable"),
    (
        23,
        "model type `qwen3_5` but Transformers does not recognize this architecture.",
        "model-type-unknown",
    ),
    (
        24,
        "ValueError: Model architectures ['Qwen3_5ForConditionalGeneration'] are not supported for now.",
        "architecture-unsupported",
    ),
    (
        25,
        "ValueError: Model architectures ['X'] failed to be inspected. Please check the logs",
        "architecture-not-inspected",
    ),
    (
        26,
        "huggingface_hub.errors.GatedRepoError: 401 Client Error.\nCannot access gated repo for url https://huggingface.co/a/b/resolve/main/config.json.",
        "hub-gated",
    ),
    (
        27,
        "403 Client Error.\nAccess to model a/b is restricted and you are not in the authorized list.",
        "hub-licence",
    ),
    (
        28,
        "UserWarning: Not enough free disk space to download the file. The expected file size is: 3945.44 MB. The target location /x only has 3421.60 MB free disk space.",
        "disk-full",
    ),
    (
        29,
        "ValueError: Free memory on device cuda:0 (19.77/22.05 GiB) on startup is less than desired GPU memory utilization (0.9, 19.84 GiB).",
        "gpu-memory-taken",
    ),
    (30, "ValueError: No available memory for the cache blocks. Try increasing", "no-cache-memory"),
    (
        31,
        "ValueError: To serve at least one request with the models's max seq len (9), (2.0 GiB KV cache is needed, which is larger than the available KV cache memory (1.0 GiB). Based on the available memory, the estimated maximum model length is 4.",
        "ctx-does-not-fit",
    ),
    (
        32,
        "ValueError: max_num_seqs (1024) exceeds available Mamba cache blocks (614).",
        "max-num-seqs",
    ),
    (33, "    assert num_cache_lines >= batch", "num-cache-lines"),
    (
        34,
        "RuntimeError: CUDA out of memory occurred when warming up sampler with 256 dummy requests.",
        "sampler-warmup",
    ),
    (
        35,
        "AssertionError: Error in memory profiling. Initial free memory 1 GiB, current free memory 2 GiB.",
        "profiling-raced",
    ),
    (36, "RuntimeError: Engine core initialization failed. See root cause above.", None),
    (
        37,
        "TimeoutError: Timed out waiting for engine core processes to start. Waited 600s (configured",
        "engine-ready-timeout",
    ),
    (
        38,
        "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use",
        "port-taken",
    ),
    (
        39,
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.",
        "engine-dead",
    ),
    (
        40,
        "RuntimeError: CUDA error: an illegal memory access was encountered",
        "illegal-memory-access",
    ),
    (
        41,
        "INFO 11-23 08:31:45 [loggers.py:335] Engine 000: Avg generation throughput: 0.0 tokens/s, Running: 0 reqs, Waiting: 1 reqs, x",
        "stuck-request",
    ),
    (
        42,
        "This model's maximum context length is 9 tokens. However, your prompt contains 99 characters",
        "request-too-long",
    ),
    (43, "'max_tokens' or 'max_completion_tokens' is too large: 9", "max-tokens-too-large"),
    (44, "At most 1 image(s) may be provided in one prompt.", "too-many-images"),
    (45, '{"message":{"content": null, "reasoning": "The"}}', "thinking-used-all"),
    (46, "ValueError: invalid literal for int() with base 10: 'MIG-1'", "mig-uuid"),
    (47, "NVRM: Xid (PCI:0000:01:00): 79, pid=1, GPU has fallen off the bus.", "xid-hardware"),
    (47, "NVRM: Xid (PCI:0000:01:00): 13, pid=1, Graphics Exception", "xid-software"),
    (48, "vllm.service: Main process exited, code=exited, status=226/NAMESPACE", "namespace"),
    (48, "vllm.service: Main process exited, code=exited, status=203/EXEC", "exec-missing"),
    (49, "RuntimeError: No CUDA GPUs are available", "no-gpu-in-service"),
    (50, "RuntimeError: NCCL error: unhandled system error", "nccl"),
    (50, "error in /dev/shm/nccl-1: No space left on device", "shared-memory"),
]


@pytest.mark.parametrize(("row", "message", "rule"), TABLE)
def test_the_table_of_known_failures(row: int, message: str, rule: str | None) -> None:
    assert diagnose(message).rule == rule


def test_the_table_is_complete() -> None:
    assert {row for row, _, _ in TABLE} == set(range(1, 51))


def test_captures_make_the_advice_exact() -> None:
    found = diagnose("ValueError: max_num_seqs (1024) exceeds available Mamba cache blocks (313).")
    assert "max_num_seqs 313 fits" in found.cause
    assert found.command == "invoke deploy --max-num-seqs 313"


def test_two_workers_interleaved_with_the_engine() -> None:
    def worker(rank: int, text: str) -> str:
        return (
            f"(Worker_TP{rank} pid=10{rank}) ERROR 11-23 08:00:00 [multiproc_executor.py:1] {text}"
        )

    lines = [
        worker(0, "WorkerProc failed to start."),
        worker(0, "Traceback (most recent call last):"),
        worker(1, "WorkerProc failed to start."),
        worker(0, '  File "/v/vllm/gdn.py", line 3, in load'),
        worker(1, "Traceback (most recent call last):"),
        worker(1, '  File "/v/vllm/gdn.py", line 3, in load'),
        worker(0, "FrobnicationError: rank 0 has no frobs"),
        worker(1, "FrobnicationError: rank 1 has no frobs"),
        "(EngineCore pid=9) ERROR 11-23 08:00:01 [core.py:1] EngineCore failed to start.",
        "(EngineCore pid=9) ERROR 11-23 08:00:01 [core.py:1] Traceback (most recent call last):",
        '(EngineCore pid=9) ERROR 11-23 08:00:01 [core.py:1]   File "/v/core.py", line 1, in run',
        "(EngineCore pid=9) ERROR 11-23 08:00:01 [core.py:1] Exception: WorkerProc initialization failed due to an exception in a background process.",
        "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.",
    ]
    found = diagnose("\n".join(lines))
    assert found.rule is None and found.failure
    assert found.exception == "FrobnicationError: rank 0 has no frobs"
    assert "/v/vllm/gdn.py:3 in load" in found.context
    assert "No rule knows this failure" in found.cause


def test_a_rule_found_in_a_worker_beats_the_engines_wrapper() -> None:
    text = read("h200-0.25.1-max-num-seqs-fail.log")
    assert "No module named 'flashinfer'" in text  # a warning that vLLM got over
    assert diagnose(text).others == ()


def test_only_a_wrapper_names_no_rule_and_reports_so() -> None:
    found = diagnose("RuntimeError: Engine core initialization failed. See root cause above.")
    assert found.failure and found.rule is None and "is not here" in found.cause


def test_of_many_runs_the_one_that_matters() -> None:
    bad, good = read("cpu-0.32.0-port-in-use.log"), read("cpu-0.32.0-len-262144-ok.log")
    crash = read("cpu-0.32.0-engine-crash-on-first-request.log")
    assert diagnose(bad + good).failure is False  # corrected since
    assert diagnose(good + bad).rule == "port-taken"
    assert diagnose(crash + STARTED + good).rule == "head-size-unsupported"  # it had served
    assert diagnose(read("cpu-0.32.0-bad-parser.log") + bad).rule == "port-taken"
    assert diagnose(bad + STARTED).rule == "port-taken"  # restarted, nothing said yet


def test_a_server_that_was_stopped_did_not_fail() -> None:
    stop = "Nov 23 08:31:09 gpu-1 systemd[1]: Stopping vllm.service - vLLM...\n"
    tail = "Nov 23 08:31:10 gpu-1 systemd[1]: vllm.service: Main process exited, code=killed, status=9/KILL\n"
    assert diagnose(STARTED + stop + tail).failure is False
    assert diagnose(STARTED + tail).rule == "killed"


@pytest.mark.parametrize(
    "stop",
    [
        "Stopping vllm.service - vLLM serving tiny-vqa (context length 4096)...\n",
        "Stopping vLLM serving tiny-vqa (context length 4096)...\n",  # systemd 249
        "Nov 23 08:31:09 gpu-1 systemd[1]: Stopping vllm.service - vLLM...\n",
        "",
    ],
)
def test_what_a_server_logs_while_it_is_stopped_is_no_failure(stop: str) -> None:
    gone = "RuntimeError: Engine core initialization failed. Failed core proc(s): {}\n"
    head, up, _ = read("cpu-0.32.0-len-262144-ok.log").partition("Application startup complete.\n")
    found = diagnose(head + up + stop + gone)
    assert found.failure == (not stop)


def test_the_kernels_word_goes_before_the_consequence() -> None:
    text = (
        STARTED
        + "Nov 23 08:31:10 gpu-1 kernel: Out of memory: Killed process 77 (VLLM::EngineCor) total-vm:9kB\n"
        + "Nov 23 08:31:10 gpu-1 systemd[1]: vllm.service: Main process exited, code=killed, status=9/KILL\n"
        + "Nov 23 08:31:11 gpu-1 systemd[1]: vllm.service: Start request repeated too quickly.\n"
    )
    found = diagnose(text)
    assert found.rule == "oom-killed" and "VLLM::EngineCor" in found.cause
    assert [other.rule for other in found.others] == ["killed", "start-limit"]


@pytest.mark.parametrize(
    "line",
    [
        "Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 9 (apt)",
        "(Worker pid=4) WARNING 11-23 08:31:15 [cpu_worker.py:114] libtcmalloc is not found in LD_PRELOAD.",
        "INFO 11-23 08:31:15 [x.py:1] Retrying after CUDA out of memory",
        "WARNING 11-23 08:31:15 [x.py:1] ModuleNotFoundError: No module named 'flashinfer'",
        "[W1120 05:11:57 socket.cpp:204] [c10d] The client socket has timed out after 600000ms while trying to connect to (10.0.0.1, 9).",
        "DEBUG 11-23 08:31:15 [__init__.py:82] Exception happens when checking CUDA platform: NVML Shared Library Not Found",
        "",
    ],
)
def test_what_is_no_failure(line: str) -> None:
    assert diagnose(line).failure is False


BAD_RULES = [
    ("colour: red", "colour"),
    ("stage: kitchen", "stage"),
    ("command: 'invoke deploy --ctx {nothing}'", "nothing"),
    ("patterns: [{find: 'abcd', match: '('}]", "regular expression"),
]


@pytest.mark.parametrize(("change", "word"), BAD_RULES)
def test_a_wrong_rule_is_named_with_its_file(tmp_path: Path, change: str, word: str) -> None:
    rule = {
        "stage": "stage: run",
        "patterns": "patterns: ['something']",
        "command": "command: ''",
        "cause": "cause: 'A cause that is long'",
        "fix": "fix: 'mend it'",
        "example": "example: 'something'",
        "source": "source: 'here'",
    }
    rule[change.split(":", maxsplit=1)[0]] = change
    body = "\n    ".join(rule.values())
    (tmp_path / "mine.yml").write_text(f"rules:\n  - id: my-rule\n    {body}\n", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_rules(tmp_path)
    message = caught.value.message
    assert (
        "mine.yml" in message and "my-rule" in message and word in message and "\n" not in message
    )


def test_an_empty_directory_and_a_double_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no diagnosis rules"):
        load_rules(tmp_path)
    rule = (
        "  - {id: twice, stage: run, patterns: [something], cause: A cause that is long,"
        " fix: mend it, example: something, source: here}\n"
    )
    (tmp_path / "mine.yml").write_text("rules:\n" + rule * 2, encoding="utf-8")
    with pytest.raises(UsageError, match=r"mine\.yml: rule twice: the id is taken"):
        load_rules(tmp_path)


@pytest.mark.parametrize("seed", range(25))
def test_torn_logs_never_raise(seed: int) -> None:
    chance = random.Random(seed)
    names = [path.name for path in LOGS.glob("*.*")]
    text = read(chance.choice(names)) + read(chance.choice(names))
    begin = chance.randrange(len(text))
    lines = [line for line in text[begin : begin + 60_000].split("\n") if chance.random() < 0.8]
    junk = bytes(chance.randrange(256) for _ in range(500)).decode("latin-1")
    lines.insert(chance.randrange(len(lines) + 1), junk)
    found = diagnose("\n".join(lines))
    assert found.cause and found.to_json()


@pytest.mark.parametrize(
    "unit",
    [
        "(EngineCore pid=1) ERROR 11-23 08:00:00 [core.py:1] Traceback (most recent call last):\n",
        "ValueError: Address already in use No space left on device CUDA out of memory\n",
        'INFO:     127.0.0.1:5 - "POST /v1/chat/completions HTTP/1.1" 200 OK\n',
        "█" * 1000,
        "max seq len (1), (" * 50 + "\n",
        "█  version 0.32.0\nERROR\n",
    ],
    ids=["tracebacks", "errors", "requests", "one-line", "pattern-heads", "restarts"],
)
def test_five_megabytes_take_seconds(unit: str) -> None:
    text = unit * (5_000_000 // len(unit))
    started = time.process_time()
    diagnose(text)
    assert time.process_time() - started < 15  # a pattern that backtracks takes hours
