"""Unit tests take seconds: one that waits for something that never comes is ended soon."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.credentials import secret


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(120))


@pytest.fixture(autouse=True)
def _records_of_tests(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONECARD_RUNS", str(tmp_path_factory.mktemp("runs")))


@pytest.fixture(autouse=True)
def _secrets_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget a test's secrets at its end: the next test's output is masked for its own alone."""
    monkeypatch.setattr(secret, "_made", set(secret._made))
