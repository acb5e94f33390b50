"""The start of a server, told as it happens: phases, progress and memory figures from its log.

Pure: lines in, events and state out. Showing them is the caller's.
"""

from __future__ import annotations

from onecard.start.facts import MemoryFacts
from onecard.start.phase import Phase, PhaseState
from onecard.start.tracker import Event, EventKind, StartTracker

__all__ = ["Event", "EventKind", "MemoryFacts", "Phase", "PhaseState", "StartTracker"]
