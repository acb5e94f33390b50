"""The flags of `invoke deploy` as a file, so that no command reads the settings for them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from onecard.cli.setting_flags import SettingFlag
from onecard.settings.option import options
from onecard.settings.settings import Settings


def deploy_flags() -> dict[str, dict[str, Any]]:
    """Return parameter of the task -> its SettingFlag, without what is the default."""
    return {
        option.parameter: _without_defaults(
            SettingFlag(option.path, option.full_help, option.is_switch, option.is_list)
        )
        for option in options(Settings)
        if option.parameter
    }


def _without_defaults(flag: SettingFlag) -> dict[str, Any]:
    return {key: value for key, value in asdict(flag).items() if value is not False}
