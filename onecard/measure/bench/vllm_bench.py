"""`vllm bench serve` on the box: its command line and its result file.

Options and results as of vLLM 0.32.0 (benchmarks/serve.py, benchmarks/datasets/datasets.py). The
dataset `custom_image` takes whole messages, so that both generators send identical requests.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any, Final

from onecard.box import paths
from onecard.errors import CommandError
from onecard.json_text import parse_json
from onecard.measure.bench.figures import PERCENTILES, Bounds
from onecard.measure.bench.loads import Load

FOLDER: Final = "/run/onecard-bench"
DATASET: Final = f"{FOLDER}/load.jsonl"
RESULT: Final = f"{FOLDER}/result.json"
PID: Final = f"{FOLDER}/pid"
_METRICS = "ttft,tpot,e2el"
# The key is passed in the environment, which only the service user and root can read.
# Its file is read, not sourced: a shell would expand the key.
_RUN = f"""export OPENAI_API_KEY="$(sed -n 's/^VLLM_API_KEY=//p' {paths.API_KEY} 2>/dev/null)"
export HOME={FOLDER} XDG_CACHE_HOME={FOLDER} XDG_CONFIG_HOME={FOLDER}
export VLLM_CACHE_ROOT={FOLDER} HF_HOME={FOLDER} HF_HUB_OFFLINE=1 VLLM_NO_USAGE_STATS=1
export PATH={paths.VENV}/bin:$PATH
rm -f {RESULT}; cd {FOLDER}
"""
STOP: Final = f"[ ! -e {PID} ] || kill $(cat {PID}) 2>/dev/null; rm -rf {FOLDER}"


def prepare(user: str) -> str:
    """Return the script that creates the folder of the dataset and the result."""
    return f"{STOP}; install -d -m 0700 -o {shlex.quote(user)} {FOLDER}"


def available() -> str:
    """Return the script that exits with 0 if this vLLM's generator takes whole messages."""
    folder = f"{paths.VENV}/lib/python3*/site-packages/vllm/benchmarks/"
    return f"grep -rqs _process_interleaved_content {folder}"


def dataset(contents: Sequence[list[dict[str, Any]]]) -> str:
    """Return the dataset's lines: the content of each request's message."""
    return "".join(json.dumps({"content": content}) + "\n" for content in contents)


def script(load: Load, *, url: str, model: str, tokenizer: str, user: str, bounds: Bounds) -> str:
    """Return the script that runs one load."""
    words = [
        *(f"{paths.VENV}/bin/vllm", "bench", "serve"),
        *("--backend", "openai-chat", "--endpoint", "/v1/chat/completions", "--base-url", url),
        *("--model", model, "--tokenizer", tokenizer),
        *("--dataset-name", "custom_image", "--dataset-path", DATASET, "--disable-shuffle"),
        *("--enable-multimodal-chat", "--num-prompts", str(load.requests)),
        *("--custom-output-len", str(load.output_tokens), "--ignore-eos", "--temperature", "0"),
        *("--extra-body", json.dumps({"chat_template_kwargs": {"enable_thinking": False}})),
        *("--ready-check-timeout-sec", "0", "--disable-tqdm", "--seed", str(load.seed)),
        *("--percentile-metrics", _METRICS, "--metric-percentiles", _percentiles()),
        *("--save-result", "--result-filename", RESULT),
    ]
    if load.concurrency is not None:
        words += ["--max-concurrency", str(load.concurrency)]
    if load.rate is not None:
        words += ["--request-rate", f"{load.rate:g}"]
    if bounds.words:
        words += ["--goodput", *bounds.words]
    return _RUN + stoppable(f"runuser -u {shlex.quote(user)} -- {shlex.join(words)}")


def stoppable(command: str) -> str:
    """Return the script that runs a command which STOP can end from another connection."""
    return f"{command} </dev/null & echo $! >{PID}\nwait $!; code=$?; rm -f {PID}; exit $code\n"


def read_result(text: str) -> dict[str, Any]:
    """Return the figures of a `load` event from the result file. Raises CommandError."""
    try:
        found = parse_json(text)
        completed, seconds = int(found["completed"]), float(found["duration"])
        prompt, generated = int(found["total_input_tokens"]), int(found["total_output_tokens"])
        spreads = {name: _spread(found, key) for name, key in _SPREADS.items()}
        return {
            "completed": completed,
            "failed": int(found.get("failed", 0)),
            "duration_s": seconds,
            "requests_per_s": completed / seconds,
            "prompt_tokens": prompt,
            "generation_tokens": generated,
            "prompt_tokens_per_s": prompt / seconds,
            "generation_tokens_per_s": generated / seconds,
            **spreads,
            "goodput_per_s": found.get("request_goodput"),
            "errors": sorted({str(each)[-300:] for each in found.get("errors", ()) if each}),
        }
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise CommandError(
            f"vllm bench serve: its result cannot be parsed: {type(error).__name__}: {error}",
            text[:1000],
        ) from None


_SPREADS: Final = {"ttft_s": "ttft_ms", "tpot_s": "tpot_ms", "latency_s": "e2el_ms"}


def _spread(found: dict[str, Any], key: str) -> dict[str, float]:
    names = {"mean": f"mean_{key}", **{f"p{each}": f"p{each}_{key}" for each in PERCENTILES}}
    return {name: float(found[source]) / 1000 for name, source in names.items()}


def _percentiles() -> str:
    return ",".join(str(each) for each in PERCENTILES)
