"""Plan the NVIDIA driver of a box: install, reboot or leave it, and by which route. Pure."""

from __future__ import annotations

from onecard.driver.decide import decide
from onecard.driver.plan import DriverPlan

__all__ = ["DriverPlan", "decide"]
