"""For which kinds of start the estimate is proven: those with a row on the scoreboard.

tests/unit/fit/test_scoreboard.py checks this table against scoreboard.yml: every kind has a row,
and nothing that was called sure failed to start.
"""

from __future__ import annotations

from onecard.fit.shape.model_shape import LINEAR, SLIDING, ModelShape

# The kind of model, and on how many cards it was seen to start.
KNOWN = frozenset(
    {
        ("dense", "one"),
        ("dense", "several"),
        ("experts", "one"),
        ("experts", "several"),
        ("recurrent", "one"),
        ("recurrent", "several"),
        ("sliding", "one"),
        ("latent", "several"),
    }
)


def kind_of(shape: ModelShape) -> str:
    """Return what decides most of a model's memory beside its weights."""
    if shape.latent is not None:
        return "latent"
    if shape.count(LINEAR):
        return "recurrent"
    if shape.count(SLIDING):
        return "sliding"
    return "experts" if shape.experts is not None else "dense"


def known_kind(shape: ModelShape, *, tp: int, pp: int) -> bool:
    """Return whether a start of this kind of model on as many cards is known."""
    cards = "stages" if pp > 1 else "several" if tp > 1 else "one"
    return (kind_of(shape), cards) in KNOWN
