"""The settings of `serve` as words of `vllm serve`'s command line.

An option at its default gives no words, so that vLLM's own default applies, except for the flags in
a model's preset (fit/catalogue/presets.yml).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from onecard.errors import UsageError
from onecard.fit import find_preset
from onecard.settings.option import options
from onecard.settings.serve_settings import ServeSettings
from onecard.settings.setting_model import AUTO


def words(serve: ServeSettings, model: str) -> tuple[str, ...]:
    """Return the words for everything but address, context length and memory.

    model: the hub's name of the model, which picks the preset.
    Raises UsageError for `auto` if the model's preset has no value for it.
    """
    found: list[str] = []
    for option in options(type(serve)):
        value = getattr(serve, option.name)
        if option.vllm and not option.vllm.special and value != option.default:
            found += _plain(option.vllm.flag, value)
    preset = find_preset(model) or {}
    found += _reasoning(serve, preset)
    found += _tools(serve, preset, model)
    found += _speculation(serve, preset, model)
    return (*found, *serve.extra_args)


def _plain(flag: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag.removeprefix('--')}"]
    return [flag, _text(value)]


def _reasoning(serve: ServeSettings, preset: Mapping[str, Any]) -> list[str]:
    if serve.reasoning_parser == AUTO:
        return list(preset.get("flags", ()))
    return ["--reasoning-parser", serve.reasoning_parser] if serve.reasoning_parser else []


def _tools(serve: ServeSettings, preset: Mapping[str, Any], model: str) -> list[str]:
    if not serve.tool_call_parser:
        return []
    if serve.tool_call_parser == AUTO:
        return _from_preset(preset, "tools", "tool_call_parser", model)
    return ["--enable-auto-tool-choice", "--tool-call-parser", serve.tool_call_parser]


def _speculation(serve: ServeSettings, preset: Mapping[str, Any], model: str) -> list[str]:
    if serve.speculative_config is None:
        return []
    if serve.speculative_config == AUTO:
        return _from_preset(preset, "mtp", "speculative_config", model)
    return ["--speculative-config", _text(serve.speculative_config)]


def _from_preset(preset: Mapping[str, Any], key: str, setting: str, model: str) -> list[str]:
    if key not in preset:
        raise UsageError(
            f"serve.{setting}: auto: no preset has a value for {model}; set the value itself"
        )
    return [str(word) for word in preset[key]]


def _text(value: object) -> str:
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)
    return f"{value:g}" if isinstance(value, float) else str(value)
