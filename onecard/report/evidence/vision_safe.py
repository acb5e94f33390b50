"""How long a request may be before answers about its picture get worse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from onecard.report.evidence.evidence import Event, Evidence
from onecard.statistics.share_interval import difference, wilson


@dataclass(frozen=True)
class LengthResult:
    """The answers at one length: right and total as effective numbers of independent answers.

    tokens: of the whole request. alone: a single request, as scale sends it.
    """

    tokens: int
    right: float
    total: float
    alone: bool = False

    @property
    def share(self) -> float:
        """The share of right answers."""
        return self.right / self.total

    def loss_to(self, other: LengthResult) -> tuple[float, float]:
        """Return the 95 % interval of the share here minus the other's (Newcombe's)."""
        found = difference((self.right, self.total), (other.right, other.total))
        assert found is not None  # neither total is 0
        return found


@dataclass(frozen=True)
class VisionSafe:
    """The lengths up to which a picture is answered as without any text.

    control: without a text. longest: the longest measured length that is shown to be better than
    guessing, with no length up to it worse than the control beyond chance; None where there is
    none. worse: the first length that is worse; None where none is.
    """

    control: LengthResult
    longest: LengthResult | None
    worse: LengthResult | None

    @property
    def possible_loss(self) -> float:
        """The most that chance leaves possible at the longest length, a share of 1."""
        return max(0.0, self.control.loss_to(self.longest)[1]) if self.longest else 0.0


def vision_safe(evidence: Evidence) -> VisionSafe | None:
    """Return the lengths that are safe for pictures; None without a valid grounding curve.

    One answer of scale proves no share of right ones; a wrong one can show a loss.
    """
    run = evidence.latest("stress", "curve")
    curve = (run.last("curve") or {}) if run else {}
    points = [point for point in curve.get("points") or () if point.get("asked")]
    controls = [_of_point(point) for point in points if not point.get("target_tokens")]
    if curve.get("trouble") or not controls:
        return None
    control, longest, worse = controls[0], None, None
    others = [_of_point(point) for point in points if point.get("target_tokens")]
    for each in sorted([*others, *_of_scale(evidence)], key=lambda each: each.tokens):
        if control.loss_to(each)[0] > 0:
            worse = each
            break
        interval = wilson(each.right, each.total)
        if interval and interval[0] > (curve.get("guessable") or 0.0) and not each.alone:
            longest = each
    return VisionSafe(control, longest, worse)


def effective_counts(point: Event) -> tuple[float, float]:
    """Return a point's right answers and all, as effective numbers of independent answers."""
    total, effective = point.get("asked") or 0, point.get("effective")
    each = effective / total if effective and total else 1.0
    return each * (point.get("right") or 0), each * total


def _of_point(point: Event) -> LengthResult:
    tokens = point.get("prompt_tokens") or point.get("target_tokens") or 0
    return LengthResult(int(tokens), *effective_counts(point))


def _of_scale(evidence: Evidence) -> Iterator[LengthResult]:
    for row in evidence.scale[1] if evidence.scale else ():
        request: Event = row.get("long_request") or {}
        if request.get("answered") and request.get("prompt_tokens"):
            right = float(bool(request.get("right")))
            yield LengthResult(int(request["prompt_tokens"]), right, 1.0, alone=True)
