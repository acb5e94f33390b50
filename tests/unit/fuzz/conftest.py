"""How many inputs each test draws: `make fuzz` loads the profile `fuzz`.

The unit tests draw the same ones each time: what fails here once fails everywhere.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

every_check = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("unit", max_examples=50, derandomize=True, **every_check)
settings.register_profile("fuzz", max_examples=400, print_blob=True, **every_check)
settings.load_profile("unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make fuzz` takes minutes where the unit tests take seconds."""
    if settings.default.max_examples > 50:
        for item in items:
            item.add_marker(pytest.mark.timeout(1800), append=False)
