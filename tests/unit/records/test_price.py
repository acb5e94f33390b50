"""What a host costs: for tokens at a speed, and since its provision."""

from __future__ import annotations

from statistics import mean

import pytest

from onecard.records.price import LoadCost, Price, RepeatedCost, Spent, rented_since
from tests.support import sample_runs as sample

PRICE = Price(1.39, "USD")


def test_a_million_tokens_cost_the_time_that_they_take() -> None:
    # 1,000 tokens/s make 3.6 million an hour.
    assert PRICE.per_million(1000) == pytest.approx(1.39 / 3.6)
    assert PRICE.per_million(0) is None
    load = {"name": "4 at once", "generation_tokens_per_s": 100, "prompt_tokens_per_s": 900}
    cost = LoadCost.of(load, PRICE)
    assert cost.generated == pytest.approx(10 * (cost.all_tokens or 0))
    assert LoadCost.of({"generation_tokens_per_s": None}, PRICE).generated is None


@pytest.mark.parametrize(
    ("amount", "text"),
    [(1.39, "1.39 USD"), (0.4321, "0.43 USD"), (0.00217, "0.0022 USD"), (1234.5, "1,234.50 USD"),
     (0.0, "0.00 USD"), (None, "-")],
)  # fmt: skip
def test_an_amount_shows_two_digits_at_least(amount: float | None, text: str) -> None:
    assert PRICE.text(amount) == text


def test_a_repeated_load_has_an_interval() -> None:
    rounds = [
        {"name": "by both", "generation_tokens_per_s": rate, "prompt_tokens_per_s": 8 * rate}
        for rate in (95.0, 100.0, 105.0, 98.0)
    ]
    found = RepeatedCost.of(rounds, PRICE)
    assert found is not None
    middle = PRICE.per_million(mean((95, 100, 105, 98))) or 0
    assert found.generated.value == pytest.approx(middle, rel=0.01)
    assert found.generated.low < middle < found.generated.high
    assert found.all_tokens.value == pytest.approx(found.generated.value / 9)
    assert RepeatedCost.of(rounds[:1], PRICE) is None


def test_a_price_is_what_the_settings_of_a_record_say() -> None:
    assert Price.of({"price_per_hour": 1.39, "currency": "EUR"}) == Price(1.39, "EUR")
    assert Price.of(sample.run("smoke", "2026-11-20T08:00:00Z", []).begin["settings"]) is None


def test_a_rental_begins_with_its_first_provision() -> None:
    first = sample.run("provision", "2026-11-20T08:00:00Z", [])
    again = sample.run("provision", "2026-11-21T08:00:00Z", [])
    given_back = sample.run("teardown", "2026-11-20T20:00:00Z", [])
    assert rented_since([first, again]) == first.time
    assert rented_since([first, given_back, again]) == again.time
    assert rented_since([first, given_back]) == ""
    spent = Spent.of([first, again], PRICE, "2026-11-20T18:00:00Z")
    assert spent is not None
    assert (spent.hours, spent.amount) == (pytest.approx(10), pytest.approx(13.9))
    assert Spent.of([], PRICE, "2026-11-20T18:00:00Z") is None
