"""What `fit` says beforehand of a context length on this very box."""

from __future__ import annotations

from dataclasses import dataclass

from onecard.errors import OnecardError, PreflightError
from onecard.facts import Facts
from onecard.host import Host
from onecard.host_fit import BoxModel, refuse_what_cannot_start
from onecard.override import override


@dataclass(frozen=True)
class Verdict:
    """fits: None where it can't be told. reason: why not, or why it can't be told."""

    fits: bool | None
    reason: str


def at_ctx(host: Host, ctx: int) -> Host:
    """Return the host with another context length, whose failed start is no rollback's matter.

    What ran before comes back at the end of the whole measurement, not after each failure.
    """
    values: dict[str, object] = {"serve.ctx": ctx, "serve.rollback": False}
    return override(host, values, {"serve.ctx": "--ctx", "serve.rollback": "--ctx"})


def verdict(host: Host, facts: Facts, box: BoxModel, ctx: int) -> Verdict:
    """Plan one context length, as deploy does before it starts anything."""
    try:
        planned = refuse_what_cannot_start(at_ctx(host, ctx), facts, box)
    except PreflightError as error:
        return Verdict(False, error.message.removesuffix(" (--force tries all the same)"))
    except OnecardError as error:
        return Verdict(None, error.message)
    return Verdict(None, "not modelled") if planned is None else Verdict(True, "")
