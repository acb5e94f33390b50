"""What the planner refuses to guess."""

from __future__ import annotations

from onecard.errors import OnecardError


class NotModelledError(OnecardError):
    """The model's config.json describes something whose memory is not modelled here."""
