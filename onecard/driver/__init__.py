"""The driver: whether to touch it, by which route, and with which commands. Pure."""

from __future__ import annotations

from onecard.driver.decide import decide
from onecard.driver.plan import DriverPlan

__all__ = ["DriverPlan", "decide"]
