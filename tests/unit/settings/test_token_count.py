"""Numbers of tokens as people write them: 128k, 256K, 1M."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from onecard.cli import flag_values
from onecard.errors import UsageError
from onecard.settings.serve_settings import ServeSettings
from onecard.settings.token_count import token_count


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("65536", 65_536),
        ("1k", 1_024),
        ("100k", 102_400),
        ("128k", 131_072),
        ("256K", 262_144),
        ("1M", 1_048_576),
        ("1m", 1_048_576),
    ],
)
def test_a_short_form_counts_in_powers_of_two(text: str, tokens: int) -> None:
    assert token_count(text) == tokens
    assert flag_values.tokens("--ctx", text) == tokens


@pytest.mark.parametrize(
    "text", ["", "0", "0k", "-1", "k", "M", "1.5k", "128 k", "128kb", "1G", "99999M", "128k\n"]
)
def test_anything_else_is_one_line_that_names_the_flag(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        flag_values.tokens("--ctx", text)
    assert caught.value.message == (
        f'--ctx: "{text}" is not a number of tokens of at least 1, such as 65536, 128k or 1M'
    )


def test_a_setting_takes_both_forms_and_no_other_text() -> None:
    for written, read in (
        (131_072, 131_072), ("128k", 131_072), ("1M", 1_048_576), ("131072", 131_072),
    ):  # fmt: skip
        settings = ServeSettings.model_validate({"ctx": written, "max_num_batched_tokens": written})
        assert (settings.ctx, settings.max_num_batched_tokens) == (read, read)
    for wrong in ("0", "0k", "99999M", 0, 1.5, True):
        with pytest.raises(ValidationError):
            ServeSettings.model_validate({"ctx": wrong})
