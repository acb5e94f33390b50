"""Words of the command line, and values in what is written: no traceback, no quoting hole."""

from __future__ import annotations

import shlex
import subprocess
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onecard.cli import flag_values
from onecard.commands import fit
from onecard.commands.measure.bench_flags import read as read_bench_flags
from onecard.errors import OnecardError, UsageError
from onecard.templates import quoting
from tests.support.written_files import command_words, nginx_directives, variables
from tests.unit.fuzz.texts import WORDS

SPECIAL = st.text(
    st.sampled_from("$`\"'\\%{}();&|<>#~!*?[]=, \tnäa-\n\r\0\x1b\x85\u2028\u202e\ud800"),
    max_size=12,
)
TEXTS = SPECIAL | WORDS | st.text(max_size=12)
NUMBERS = st.sampled_from(
    ["0", "-1", "1e999", "nan", "9" * 5000, "1k", "128K", "1M", "1,,2", "٣", "²", "1_0"]
)


@given(TEXTS | NUMBERS)
def test_a_flag(text: str) -> None:
    for read in (
        flag_values.positive, flag_values.number, flag_values.numbers, flag_values.tokens,
        flag_values.token_counts, flag_values.flag_value,
    ):  # fmt: skip
        with suppress(UsageError):
            read("--flag", text)


FIT = ("model", "gpu", "ctx", "util", "kv_dtype", "kv_gib", "tp", "quant", "vllm", "demand", "card_gib",
       "max_num_seqs", "max_num_batched_tokens", "speculative_config", "limit_mm_per_prompt")  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIT), TEXTS | NUMBERS | st.just("4 x 64k"), max_size=3))
def test_the_flags_of_fit(given: dict[str, Any]) -> None:
    flags = {**dict.fromkeys((*FIT, "enforce_eager", "prefix_caching")), **given}
    flags["enable_expert_parallel"] = False
    with suppress(OnecardError):
        fit.fit("", flags, explain=True, as_json=True)


BENCH = ("concurrency", "rates", "images", "input_tokens", "output_tokens", "requests", "repeats",
         "most_repeats", "goodput")  # fmt: skip


@given(st.fixed_dictionaries({name: TEXTS | NUMBERS | st.just("ttft:5") for name in BENCH}))
def test_the_flags_of_bench(given: dict[str, str]) -> None:
    with suppress(UsageError):
        read_bench_flags(**given)


@given(TEXTS)
def test_what_is_quoted_reads_back_as_the_text(text: str) -> None:
    with suppress(quoting.UnfitError):
        assert command_words(quoting.unit_words(["x", text, "y"])) == ["x", text, "y"]
    with suppress(quoting.UnfitError):
        assert variables(f"A={quoting.file_value(text)}\nB=c\n") == {"A": text, "B": "c"}
    with suppress(quoting.UnfitError):
        assert shlex.split(quoting.shell_word(text)) == [text]
    with suppress(quoting.UnfitError):
        assert nginx_directives(f"a {quoting.nginx_word(text)};")[0] == ["a", text]
    with suppress(quoting.UnfitError):
        assert quoting.apt_string(text) == f'"{text}"'


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_what_is_quoted_for_a_shell_reads_back_in_a_shell(texts: list[str]) -> None:
    words = []
    for text in texts:
        with suppress(quoting.UnfitError):
            words.append((text, quoting.shell_word(text)))
    script = "printf '%s\\0' " + " ".join(word for _, word in words)
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == [text for text, _ in words] or not words


@pytest.mark.parametrize("text", ["\u202e", "\x1b", "\0", "\n", "\u2028", "\ud800"])
def test_what_no_target_can_take_is_refused(text: str) -> None:
    with pytest.raises(quoting.UnfitError):
        quoting.shell_word(text)
