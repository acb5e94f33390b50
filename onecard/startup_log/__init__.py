"""Parse a starting server's log: phases, progress and memory figures, as the lines come.

Pure: lines in, events and state out. The caller displays them.
"""

from __future__ import annotations

from onecard.startup_log.memory import MemoryFacts
from onecard.startup_log.phase import Phase, PhaseState
from onecard.startup_log.tracker import Event, EventKind, StartTracker

__all__ = ["Event", "EventKind", "MemoryFacts", "Phase", "PhaseState", "StartTracker"]
