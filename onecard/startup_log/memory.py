"""Parse the memory figures in a starting server's log.

vLLM has logged the size of its KV cache in three forms, all parsed here:

    GPU KV cache size: 74,480 tokens                                     until 0.16, alone
    GPU KV cache size: 163,384 tokens                                    0.17 to 0.29, two lines
    Maximum concurrency for 4,096 tokens per request: 39.89x
    CPU KV cache size: N tokens, Maximum concurrency for N tokens per request: 7.95x     one line

Source: vLLM kv_cache_utils.py, gpu_worker.py, gpu_model_runner.py, cpu_worker.py and monitor.py of
the releases 0.17 to 0.33.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class MemoryFacts:
    """The figures in the log; None (or empty) for those not logged yet.

    weights_gib: memory that the weights take on each device, GiB.
    kv_available_gib: memory left for the KV cache on each device, GiB (the smallest, of several).
    kv_tokens: the KV cache's size as vLLM prints it, tokens.
    kv_concurrency: how many requests of `kv_request_tokens` fit at once.
    kv_request_tokens: the context length of that concurrency, tokens.
    graphs_gib: memory that the CUDA graphs take, GiB.
    block_tokens: tokens of one attention block, where the model's shape sets it.
    load_s, compile_s, profile_s, graphs_s, engine_s: seconds for loading the weights,
        torch.compile, the profiling run, capturing the graphs, and the engine's whole
        initialisation.
    dtype: of the computation, such as bfloat16. quantization: of the weights, empty for none.
    eager: whether compilation and CUDA graphs are switched off.
    compile_cached: whether torch.compile's result came from a cache of an earlier start.
    prefix_caching: whether the KV cache of what prompts have in common is reused.
    """

    vllm_version: str = ""
    model: str = ""
    architecture: str = ""
    attention_backend: str = ""
    dtype: str = ""
    quantization: str = ""
    max_model_len: int | None = None
    eager: bool | None = None
    prefix_caching: bool | None = None
    weights_gib: float | None = None
    kv_available_gib: float | None = None
    kv_tokens: int | None = None
    kv_concurrency: float | None = None
    kv_request_tokens: int | None = None
    graphs_gib: float | None = None
    block_tokens: int | None = None
    load_s: float | None = None
    compile_s: float | None = None
    profile_s: float | None = None
    graphs_s: float | None = None
    engine_s: float | None = None
    compile_cached: bool | None = None


def _integer(text: str) -> int:
    return int(text.replace(",", ""))


def _boolean(text: str) -> bool:
    return text in ("True", "Directly load")


_CONVERTERS: dict[str, Callable[[str], object]] = {
    "int | None": _integer,
    "float | None": float,
    "bool | None": _boolean,
    "str": str,
}
_KINDS = {field.name: _CONVERTERS[str(field.type)] for field in fields(MemoryFacts)}

# A literal that must be in the message, then the pattern whose group names are the facts' names.
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (literal, re.compile(pattern))
    for literal, pattern in (
        ("version ", r"(?:█|▄|API server) +version (?P<vllm_version>\d[\w.+-]*)"),
        ("  model   ", r"█ +model   (?P<model>\S+)"),
        ("LLM engine (v", r"LLM engine \(v(?P<vllm_version>[\w.+-]+)\)"),
        ("LLM engine (v", r"\bdtype=torch\.(?P<dtype>\w+)"),
        ("LLM engine (v", r"\bquantization=(?!None\b)(?P<quantization>[\w-]+)"),
        ("LLM engine (v", r"\benable_prefix_caching=(?P<prefix_caching>True|False)"),
        ("enforce_eager", r"enforce_eager'?[=:] ?(?P<eager>True|False)"),
        ("Resolved architecture", r"Resolved architectures?: \W*(?P<architecture>\w+)"),
        ("max model len", r"[Uu]sing max model len (?P<max_model_len>\d+)"),
        ("ttention backend", r"Using (?P<attention_backend>[A-Z][\w ]*?) [Aa]ttention backend"),
        (
            "AttentionBackendEnum.",
            r"Using AttentionBackendEnum\.(?P<attention_backend>\w+) backend\.?$",
        ),
        (
            "Model loading took",
            r"took (?P<weights_gib>[\d.]+) Gi?B (?:memory )?and (?P<load_s>[\d.]+)",
        ),
        ("Loading model weights took", r"weights took (?P<weights_gib>[\d.]+) Gi?B"),
        ("Loading weights took", r"weights took (?P<load_s>[\d.]+) seconds"),
        ("attention block size to", r"block size to (?P<block_tokens>\d+) tokens"),
        ("torch.compile take", r"takes? (?P<compile_s>[\d.]+) s in total"),
        ("torch.compile took", r"took (?P<compile_s>[\d.]+) s in total"),
        ("Directly load", r"(?P<compile_cached>Directly load) "),
        ("saved AOT compiled function", r"(?P<compile_cached>saved) AOT"),
        ("profiling/warmup run took", r"run took (?P<profile_s>[\d.]+) s"),
        ("Memory profiling takes", r"profiling takes (?P<profile_s>[\d.]+) seconds"),
        (
            "Available KV cache memory",
            r"Available KV cache memory: (?P<kv_available_gib>-?[\d.]+) GiB",
        ),
        ("reserved for KV Cache is", r"KV Cache is (?P<kv_available_gib>[\d.]+) ?GiB"),
        ("GiB for KV cache on node", r"set \((?P<kv_available_gib>[\d.]+)/"),
        ("KV cache size:", r"KV cache size: (?P<kv_tokens>\d[\d,]*) tokens"),
        (
            "Maximum concurrency for",
            r"concurrency for (?P<kv_request_tokens>\d[\d,]*) tokens per request: "
            r"(?P<kv_concurrency>[\d.]+)x",
        ),
        (
            "Graph capturing finished",
            r"finished in (?P<graphs_s>[\d.]+) secs?(?:, took (?P<graphs_gib>-?[\d.]+) Gi?B)?",
        ),
        ("CUDA graph pool memory", r"pool memory: (?P<graphs_gib>-?[\d.]+) GiB \(actual\)"),
        ("init engine (profile", r"\) took (?P<engine_s>[\d.]+) s"),
    )
)


def learn(facts: MemoryFacts, message: str) -> MemoryFacts:
    """Return `facts` updated by `message`; the same object if it adds nothing.

    Of several workers' figures the smallest KV memory counts, as it does for vLLM.
    """
    for literal, pattern in _PATTERNS:
        if literal not in message:
            continue
        match = pattern.search(message)
        if match is None:
            continue
        values = {name: text for name, text in match.groupdict().items() if text is not None}
        facts = _merge(facts, values)
    return facts


def _merge(facts: MemoryFacts, texts: dict[str, str]) -> MemoryFacts:
    values: dict[str, object] = {}
    for name, text in texts.items():
        try:
            values[name] = _KINDS[name](text)
        except ValueError:  # a truncated figure, such as "1."
            continue
    available = values.get("kv_available_gib")
    if isinstance(available, float) and facts.kv_available_gib is not None:
        values["kv_available_gib"] = min(available, facts.kv_available_gib)
    changed = {name: value for name, value in values.items() if getattr(facts, name) != value}
    return replace(facts, **changed) if changed else facts  # type: ignore[arg-type]
