"""The documents of smoke, scale, stress, bench, certify, cache, soak and tune."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict

from onecard.records.price import LoadCost, Price, RepeatedCost
from onecard.reference.documents.document import Document, Event
from onecard.smoke.report import CaseResult


class SmokeControl(Document):
    """The same questions without their pictures."""

    asked: int
    right_with: int
    """right answers with the pictures"""
    right_without: int
    guessable: int
    """how many one fixed answer would get right"""
    added_tokens: int | None
    """fewest prompt tokens that a picture added"""
    failure: str
    """why the answers cannot come from the pictures; empty where nothing speaks against it"""


class Smoke(Document):
    """The answers to the smoke test."""

    host: str
    model: str
    passed: int
    failed: int
    """cases, plus one where the picture control failed"""
    warmup_s: float | None
    """the first request"""
    steady_p50_s: float | None
    steady_p95_s: float | None
    picture_control: SmokeControl | None
    cases: list[CaseResult]


class Scale(Document):
    """The result at each context length."""

    host: str
    rows: list[Event]
    """the values of `row` events, see records.md"""


class Stress(Document):
    """Beside host and model the values of a `curve` event, see records.md."""

    model_config = ConfigDict(extra="allow")

    host: str
    model: str


class BenchCost(Document):
    """What a million tokens cost; `generated` alone includes the price of their prompts."""

    price: Price
    loads: list[LoadCost]
    repeated: RepeatedCost | None
    """the load of both generators, with 95 % intervals"""


class Bench(Document):
    """The values of `load`, `agreement` and `tunnel` events, see records.md."""

    host: str
    loads: list[Event]
    agreement: Event
    tunnel: Event
    cost: BenchCost | None = None
    """where the host has a price_per_hour"""


class Certified(Document):
    """The values of a `certificate` event, and of a `held` event for each load, see records.md."""

    model_config = ConfigDict(extra="allow")

    host: str
    ctx: int
    requests: int
    """at once"""
    verdict: Literal["held", "failed", "preempted", "waited", "not proved"]
    held: bool
    """by all loads: exit code 0"""
    line: str
    """the result in a sentence"""
    loads: list[Event]


class CachedPair(Document):
    """Requests sent for the first time and once more, with another question."""

    what: Literal["text", "picture"]
    tokens: int
    """of the text; 0 for a picture"""
    repeats: int
    first_s: float
    """median time to the first token"""
    again_s: float
    ratio: float
    """again to first; low and high are its 95 % interval"""
    low: float
    high: float
    hits: float | None
    """found in the cache in each repeat: tokens of a text, or pictures"""


class CachedTurn(Document):
    """One turn of a conversation about a document."""

    number: int
    prompt_tokens: int | None
    ttft_s: float
    hits: float | None
    """tokens found in the cache"""


class CachedAtOnce(Document):
    """Questions about the document at once."""

    requests: int
    ttfts_s: list[float]
    hits: float | None
    """tokens found in the cache, of all together"""


class CachingCost(Document):
    """The KV cache's tokens by `fit`."""

    off: int
    """without prefix caching"""
    on: int
    share: float
    """that prefix caching costs, 0 to 1"""


class Cache(Document):
    """What the server reuses of earlier requests; the values of a `cache` event."""

    host: str
    is_on: bool | None
    """whether the running server has prefix caching; null where it does not report it"""
    block_tokens: int | None
    """of a cached block"""
    pays_from: int | None
    """the shortest measured text from which on all are shown to be faster"""
    finding: str
    tokens: CachingCost | None
    """null where the model or card is not modelled"""
    texts: list[CachedPair]
    """empty where prefix caching is off"""
    picture: CachedPair | None
    turns: list[CachedTurn]
    at_once: CachedAtOnce


class Soak(Document):
    """The values of a `soak` event, see records.md."""

    model_config = ConfigDict(extra="allow")

    host: str
    ok: bool
    """nothing died, failed or leaked: exit code 0"""
    line: str
    """the result in a sentence"""
    faults: list[str]
    """what makes it a failure, a clause each"""
    counts: dict[str, int]
    """requests by outcome"""


class TuneRatio(Document):
    """A ratio of paired rounds, with its 95 % interval."""

    value: float
    low: float
    high: float


class TuneAnswers(Document):
    """The answers of one server to the guards' questions."""

    smoke: int
    """smoke cases that were right"""
    cases: int
    grounding: int
    """right answers to questions beside a text as long as the load's"""
    grounding_asked: int


class TuneServer(Document):
    """The current release as it was measured first."""

    answers: TuneAnswers
    rounds: list[Event]
    """the figures of each round, as in a `load` event, see records.md"""


class TuneLeftOut(Document):
    """An option, or a value of one, that was not tried."""

    option: str
    reason: str


class TuneTrial(Document):
    """One trial; the values of a `trial` event."""

    option: str
    title: str
    settings: dict[str, Any]
    """below `serve`"""
    outcome: Literal["better", "no gain shown", "misses the goal", "answers get worse", "failed"]
    reason: str
    gain: TuneRatio | None
    """requests/s, to the best so far; the intervals of all trials hold together"""
    use: TuneRatio | None
    """the same of the largest share of its limit that a time takes"""
    answers: TuneAnswers | None
    rounds: list[Event]
    """empty where the trial was not loaded"""
    seconds: float
    """with its start"""


class Tuned(Document):
    """What a search for settings found; the values of a `tune` event, and the trials."""

    host: str
    goal: str
    line: str
    """the result in a sentence"""
    settings: dict[str, Any]
    """below `serve`, better than the current ones; empty for none, or where not confirmed"""
    paste: str
    """the same as YAML"""
    gain: TuneRatio | None
    """requests/s with all of them, to the current release"""
    use: float
    """the largest share of its limit that a time takes with them; above 1 misses the goal"""
    base: TuneServer
    trials: list[TuneTrial]
    left_out: list[TuneLeftOut]
    confirmed: bool | None
    """it is better than the current release after the trials too; null: not measured"""
    control: TuneRatio | None
    """the current release once more, after the trials, to what it was at first"""
    kept: bool
    interrupted: bool
    trouble: str
    """why the release that ran before does not run again; empty where it does"""


class TuneCandidate(Document):
    """A trial that would be made."""

    option: str
    title: str
    settings: dict[str, Any]
    for_more_cache: bool
    """only where the KV cache is nearly full"""


class TuneCheck(Document):
    """What `tune --check` would try."""

    host: str
    candidates: list[TuneCandidate]
    left_out: list[TuneLeftOut]
    start_s: float | None
    """that a start took here before; null where that is unknown"""
    trial_s: float | None
    """that a whole trial took here before"""
    budget_s: float
