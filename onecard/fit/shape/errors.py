"""The error for models whose memory the planner cannot count."""

from __future__ import annotations

from onecard.errors import OnecardError


class NotModelledError(OnecardError):
    """The model's config.json describes something whose memory is not modelled here."""
