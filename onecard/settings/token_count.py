"""A number of tokens as people write it: 65536, 128k, 256K, 1M."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from onecard.settings.setting_model import MAXIMUM, AtLeastOne

SHORT_FORM: Final = r"^[0-9]{1,9}[kKmM]$"
EXPECTED: Final = "a number of tokens of at least 1, such as 65536, 128k or 1M"

_UNITS: Final = {"": 1, "k": 2**10, "m": 2**20}


def token_count(text: str) -> int:
    """Return the tokens that a text such as `65536`, `128k` (131,072) or `1M` (1,048,576) means.

    k is 1,024 and M is 1,024 * 1,024 in either case: a "128k" model has a context of 131,072.
    vLLM's own flags take a lower-case k for 1,000 (engine/arg_utils.py, human_readable_int);
    onecard passes it the number.
    Raises ValueError for anything else.
    """
    written = re.fullmatch(r"([0-9]{1,10})([kKmM]?)", text)
    tokens = int(written[1]) * _UNITS[written[2].lower()] if written else 0
    if not 1 <= tokens <= MAXIMUM:
        raise ValueError(f"is not {EXPECTED}")
    return tokens


def _read(value: Any) -> Any:
    """Return the number for a short form; another value as it is, for pydantic to check."""
    return token_count(value) if isinstance(value, str) else value


_ShortForm = Annotated[str, Field(pattern=SHORT_FORM)]
Tokens = Annotated[
    AtLeastOne, BeforeValidator(_read, json_schema_input_type=AtLeastOne | _ShortForm)
]
"""The type of a setting that is a number of tokens."""
