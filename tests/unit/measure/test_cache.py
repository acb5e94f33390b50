"""What a server reuses: the requests that are sent, and what their times and hits mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onecard.commands.measure.cache import settings
from onecard.errors import UsageError
from onecard.fit.caching import CachingTokens
from onecard.measure.cache.cache_run import document_tokens, lengths_of
from onecard.measure.cache.prompts import CachePrompts
from onecard.measure.cache.reuse import AtOnce, Pair, Reuse, ReusedTurn
from onecard.smoke.questions import questions

PICTURES = [case.image for case in questions("tiny-vqa").cases if case.image]


def prompts(seed: int = 1) -> CachePrompts:
    return CachePrompts("tiny-vqa", lambda text: 2 * len(text.split()), PICTURES, seed)


def texts(request: dict[str, object]) -> list[str]:
    messages: list[dict[str, object]] = request["messages"]  # type: ignore[assignment]
    return [
        part if isinstance(part, str) else part.get("text", "")
        for message in messages
        for part in (
            message["content"] if isinstance(message["content"], list) else [message["content"]]
        )
    ]


def test_a_pair_asks_two_questions_about_one_new_document() -> None:
    made = prompts()
    (first,), (again,) = map(texts, made.pair_about_text(400))
    document, _, question = first.partition("\n\n")
    assert again.startswith(document + "\n\n")
    assert again != first
    assert 396 <= 2 * len(document.split()) <= 400
    (other,), _ = map(texts, made.pair_about_text(400))
    assert other.split()[:20] != document.split()[:20]
    assert question.startswith("Question 1: ")


def test_each_turn_begins_with_all_that_went_before() -> None:
    made = prompts()
    document = made.document(200)
    turns = [texts(made.turn(document, number)) for number in (1, 2, 3)]
    assert [len(turn) for turn in turns] == [1, 3, 5]
    assert turns[2][:3] == turns[1]
    assert turns[1][:1] == turns[0]


def test_the_same_picture_stands_behind_different_texts() -> None:
    first, again = prompts().pair_about_picture()
    urls = [request["messages"][0]["content"][1]["image_url"] for request in (first, again)]
    assert urls[0] == urls[1]
    assert texts(first)[0].split()[:5] != texts(again)[0].split()[:5]


def pair(tokens: int, ratio: float, hits: float) -> Pair:
    times = [second for base in (1.0, 1.1, 0.9, 1.0) for second in (base, base * ratio)]
    made = Pair.of("text", tokens, times, 4 * hits)
    return replace(made, low=ratio * 0.9, high=ratio * 1.1)


def reuse(*pairs: Pair, is_on: bool | None = True, ttfts: tuple[float, ...] = ()) -> Reuse:
    """On a real H100, vLLM 0.25.1, with --enable-prefix-caching."""
    hits = (0.0, 61_936.0, 61_936.0) if is_on else (0.0, 0.0, 0.0)
    turns = tuple(
        ReusedTurn(number, 62_234, ttft, found)
        for number, (ttft, found) in enumerate(
            zip(ttfts or (7.1, 0.21, 0.17), hits, strict=True), 1
        )
    )
    at_once = AtOnce(4, (0.64, 7.8, 15.0, 22.0), 61_936.0)
    return Reuse(is_on, 784, pairs, None, turns, at_once, CachingTokens(292_000, 289_372))


def test_times_become_medians_and_a_ratio_with_its_interval() -> None:
    found = Pair.of("text", 100, [1.0, 0.5, 2.0, 1.1, 1.5, 0.7], 288)
    assert (found.first_s, found.again_s, found.repeats) == (1.5, 0.7, 3)
    assert found.low < found.ratio < found.high
    assert found.ratio == pytest.approx(0.505, abs=0.01)
    assert (found.hits, found.is_faster) == (96, True)
    assert not replace(found, hits=0.0).is_faster
    assert not replace(found, high=1.02).is_faster


def test_it_pays_from_the_length_above_which_all_are_faster() -> None:
    # As on a sandbox box with vLLM 0.32: nothing was found at 870, though at 435.
    found = reuse(
        pair(435, 0.71, 384), pair(870, 1.04, 0), pair(1740, 0.2, 1664), pair(3481, 0.14, 3456)
    )
    assert found.pays_from == 1740
    assert found.finding == (
        "prefix caching pays from 1,740 tokens on (the first turn took 7.10 s, the last 0.17 s)"
    )
    assert found.price.startswith("where it is on, it costs by fit 0.9 % of the KV cache: 289,372")
    assert found.advice == ""


def test_caching_that_is_off_or_does_nothing_is_called_so() -> None:
    off = reuse(is_on=False, ttfts=(6.8, 6.8, 6.7))
    assert "is off: each turn computes the whole document again" in off.finding
    assert "--enable-prefix-caching" in off.advice
    useless = replace(off, is_on=True, texts=(pair(3481, 1.0, 0),))
    assert useless.finding.startswith("prefix caching does nothing here")
    slow = reuse(pair(3481, 1.2, 3456))
    assert "no text is shown to be faster" in slow.finding


def test_lengths_double_up_to_the_document() -> None:
    assert lengths_of(3481) == (217, 435, 870, 1740, 3481)
    assert len(lengths_of(65_536)) == 6
    assert lengths_of(100) == (100,)


def test_the_document_leaves_room_in_the_context() -> None:
    assert document_tokens(0, 4096) == 3481
    assert document_tokens(0, 262_144) == 65_536
    assert document_tokens(2000, 4096) == 2000
    with pytest.raises(
        UsageError, match="--tokens: 4,000 leave too little of the context of 4,096"
    ):
        document_tokens(4000, 4096)
    with pytest.raises(UsageError, match="--repeats: 2 or more"):
        settings(tokens="", at_once="4", repeats="1")
