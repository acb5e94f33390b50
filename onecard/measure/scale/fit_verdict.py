"""What `fit` says beforehand of a context length on this very box."""

from __future__ import annotations

from dataclasses import dataclass

from onecard.errors import OnecardError, PreflightError
from onecard.facts import Facts
from onecard.fit.on_host import BoxModel, settle
from onecard.fit.plan import FORCE_HINT
from onecard.inventory.host import Host
from onecard.inventory.override import override


@dataclass(frozen=True)
class FitVerdict:
    """Whether a context length fits. fits: None where that is unknown. reason: why not."""

    fits: bool | None
    reason: str


def at_ctx(host: Host, ctx: int) -> Host:
    """Return the host with another context length, whose failed start is not rolled back.

    What ran before comes back at the end of the whole measurement, not after each failure.
    """
    values: dict[str, object] = {"serve.ctx": ctx, "serve.rollback": False}
    return override(host, values, {"serve.ctx": "--ctx", "serve.rollback": "--ctx"})


def verdict(host: Host, facts: Facts, box: BoxModel, ctx: int) -> FitVerdict:
    """Plan one context length, as deploy does before it starts anything."""
    try:
        settled = settle(at_ctx(host, ctx), facts, box)
        settled.refuse()
    except PreflightError as error:
        return FitVerdict(False, error.message.removesuffix(FORCE_HINT))
    except OnecardError as error:
        return FitVerdict(None, error.message)
    return FitVerdict(None, "not modelled") if settled.planned is None else FitVerdict(True, "")
