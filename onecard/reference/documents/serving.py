"""The documents of deploy, rollback, releases, status, diagnose and fit."""

from __future__ import annotations

from typing import Any, Literal

from onecard.records.server_cost import ServerCost
from onecard.reference.documents.document import Document
from onecard.server.load_sample import CardSample
from onecard.server.releases import ReleaseInfo


class CandidateLine(Document):
    """A line that may state why something failed."""

    line_number: int
    """counted from 1"""
    line: str


class DiagnosisResult(Document):
    """The first true error of a log."""

    rule: str | None
    """the rule of troubleshooting.md; null where none knows the error"""
    cause: str
    fix: str
    command: str
    """what to type on this computer; may be empty"""
    on_box: str
    """what to type on the box; may be empty"""
    line: str
    """the line of the log"""
    candidates: list[CandidateLine] = []
    """where no rule names the cause, at most three lines that may state it, the likeliest first"""


class FitResult(Document):
    """The plan of a model's memory on a card."""

    model: str
    gpu: str
    ctx: int
    weights_gib: float
    kv_available_gib: float
    kv_band_gib: list[float] | None = None
    """lowest and highest; the same where the memory is known"""
    block_tokens: int
    """tokens in a block of the KV cache"""
    blocks: int
    bytes_per_token: float
    max_request_tokens: int
    concurrency: float
    """requests of `ctx` tokens at once"""
    fits: bool
    surely_fits: bool | None = None
    """also at the low end of the band, and such starts are known"""
    max_ctx: int
    """the longest context that starts"""
    vllm: str = ""
    """whose rules were followed; empty for the newest build"""
    rules: str = ""
    """that generation of vLLM"""
    rules_from: str = ""
    """where the version stands: a lock file, a setting, a flag"""


class FitChoice(Document):
    """Cards of one kind, and flags with which they hold the requests."""

    gpu: str
    cards: int
    memory_gib: float
    """of all cards, as nvidia-smi shows it"""
    util: float
    kv_dtype: str
    tensor_parallel: int
    max_num_seqs: int
    weights_gib: float
    """on each card"""
    kv_available_gib: float
    """on each card"""
    at_once: float
    """requests at the low end of the estimate"""
    surely_fits: bool
    """false where starts of this kind are not known well enough"""
    flags: str
    """of `invoke deploy`"""


class FitChoices(Document):
    """What serves `fit --for`, least memory first; empty where nothing of the catalogue does."""

    model: str
    requests: int
    tokens: int
    vllm: str
    rules: str
    rules_from: str
    ordered_by: Literal["memory"]
    choices: list[FitChoice]


class ScoreboardRow(Document):
    """A known start: as predicted from its flags, and as logged."""

    model: str
    config: str
    """digits that change with the catalogue's config of the model"""
    card: str
    cards: int
    vllm: str
    flags: str
    kv_gib: float
    kv_band_gib: list[float]
    logged_kv_gib: float | None
    band_holds: bool | None
    """null where the flags are not all known"""
    surely_fits: bool
    started: bool
    tokens: int | None
    """that follow from the logged memory"""
    logged_tokens: int | None
    token_error: float | None
    """share by which they differ beyond the rounding of the logged memory"""
    weights_gib: float
    logged_weights_gib: float | None
    checkable: Literal["all", "tokens", "memory"]
    note: str
    source: str


class Scoreboard(Document):
    """Every known start (`--scoreboard`)."""

    rows: list[ScoreboardRow]


class Contributed(Document):
    """The row that was appended (`--contribute`)."""

    file: str
    row: dict[str, Any]


class StartResult(Document):
    """A start of the server."""

    host: str
    release: int | None
    """its number; null with --check"""
    ready_s: float | None
    """to the first answered question"""
    reason: str = ""
    """why it did not answer; with it come `diagnosis` and `back_to`"""
    diagnosis: DiagnosisResult | None = None
    back_to: int | None = None
    """the release that serves again"""


class StartPart(Document):
    """A part of a start."""

    phase: str
    seconds: float


class StartSaving(Document):
    """A part of a start that could be shorter."""

    part: str
    seconds: float
    how: str


class StartBudget(Document):
    """Where the seconds of a start went."""

    parts: list[StartPart]
    """together all of ready_s"""
    savings: list[StartSaving]


class Deployed(StartResult):
    """A start after `deploy`."""

    status: Literal["ok", "changed", "failed"]
    ctx: int
    model: str
    unit_changed: bool
    """the server's configuration was not what ran"""
    memory: dict[str, float]
    """as vLLM logged it, GiB and tokens"""
    planned: FitResult | None
    start: StartBudget | None = None
    """where the server was started, and answered"""
    error: str = ""


class RolledBack(StartResult):
    """A start after `rollback`."""

    status: Literal["ok", "changed", "failed"]
    error: str = ""


class RolledRow(Document):
    """One host of a roll."""

    host: str
    status: Literal["ok", "changed", "failed", "not begun"]
    release: int | None
    ready_s: float | None
    """to the first answered question"""
    drained_s: float | None
    """until its running requests had ended; null without a gateway"""
    out_s: float | None
    """how long the gateway sent it nothing; null where it stays out"""
    error: str = ""


class Rolled(Document):
    """Of `deploy` and `rollback` with --rolling."""

    gateway: str | None
    """the host that carries it"""
    hosts: list[RolledRow]


class Releases(Document):
    """The releases of a host."""

    host: str
    releases: list[ReleaseInfo]


class Status(Document):
    """The state of the server."""

    host: str
    status: str
    """serving, or systemd's state of the unit"""
    model: str
    ctx: int
    port: int
    vllm: str
    since: str
    restarts: int
    trouble: str = ""
    diagnosis: DiagnosisResult | None = None
    cost: ServerCost | None = None
    """where the host has a price_per_hour"""


class StatusSample(Document):
    """The load of the server over a second (`--watch`); null where it does not report it."""

    host: str
    model: str
    ctx: int
    interval_s: float
    running: int | None
    """requests"""
    waiting: int | None
    requests_per_s: float | None
    """finished"""
    prompt_tokens_per_s: float | None
    generation_tokens_per_s: float | None
    kv_use: float | None
    """0 to 1"""
    preemptions: int | None
    """since the start"""
    cards: list[CardSample]
    """empty without an NVIDIA card"""
    errors: list[str]
    """the last ones in the journal of this start"""


class Idle(Document):
    """How long the server has been idle."""

    host: str
    status: Literal["in use", "idle", "stopped"]
    idle_s: float
    """at least; 0 while it is in use"""
    running: int
    """requests"""
    waiting: int
    is_first: bool
    """nothing had been noted on the box before, so how long it was idle before is not known"""
    idle_since: str | None
    """UTC"""
    after_s: float
    is_due: bool
    """idle for that long"""
    done: str
    """`stop`, or the command that was run; empty for nothing"""
