"""A row for the scoreboard from a start of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from onecard.errors import UsageError
from onecard.fit.catalogue.read import known_models
from onecard.fit.plan import Plan
from onecard.settings.serve_settings import ServeSettings
from onecard.startup_log import MemoryFacts

_SOURCE = "a start of one's own"
# Field of MemoryFacts -> key of `logged`.
_LOGGED = {
    "kv_available_gib": "kv_gib",
    "kv_tokens": "tokens",
    "kv_concurrency": "concurrency",
    "weights_gib": "weights_gib",
    "graphs_gib": "graphs_gib",
}


def contribution(plan: Plan, serve: ServeSettings, facts: MemoryFacts) -> dict[str, Any]:
    """Return the row of a start: its flags, and what the server logged.

    It names the model, the card and vLLM, and neither host, address nor path.
    Raises UsageError where the log holds no KV memory.
    """
    if facts.kv_available_gib is None:
        raise UsageError("--contribute: the server's log states no KV memory; deploy it first")
    known = known_models().get(plan.model.lower())
    local = plan.model.startswith((".", "/", "~"))
    values: dict[str, Any] = {
        "model": plan.model.rstrip("/").rpartition("/")[2] if local else plan.model,
        "config": known.digest if known else "",
        "card": plan.gpu.name,
        "vllm": facts.vllm_version,
        "tp": plan.tp,
        "pp": plan.pp,
        "util": plan.util,
        "ctx": plan.ctx,
        "max_num_seqs": plan.max_num_seqs,
        "max_num_batched_tokens": plan.max_num_batched_tokens,
        "kv_cache_dtype": serve.kv_cache_dtype,
        "prefix_caching": serve.enable_prefix_caching,
        "enforce_eager": serve.enforce_eager,
        "language_model_only": serve.language_model_only,
    }
    usual = {"tp": 1, "pp": 1, "kv_cache_dtype": "auto", "prefix_caching": None}
    row = {
        name: value
        for name, value in values.items()
        if value is not False and (name not in usual or value != usual[name])
    }
    logged = {key: getattr(facts, name) for name, key in _LOGGED.items()}
    row["logged"] = {key: value for key, value in logged.items() if value is not None}
    return {**row, "source": _SOURCE}


def append(file: Path, row: Mapping[str, Any]) -> None:
    """Append a row to a scoreboard file, which is made if there is none.

    Raises UsageError for a file that holds something else, or cannot be written.
    """
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else "rows:\n"
        found = yaml.safe_load(text)
        if not isinstance(found, dict) or not isinstance(found.get("rows") or [], list):
            raise UsageError(f"--contribute: {file} is not a scoreboard: give a new file")
        if not found.get("rows"):
            text = "rows:\n"
        line = yaml.safe_dump(dict(row), default_flow_style=True, sort_keys=False, width=10_000)
        file.write_text(f"{text.rstrip()}\n  - {line.strip()}\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--contribute: {file}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"--contribute: {file} is not a YAML file") from error
