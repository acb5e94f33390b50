"""How far the picture questions are."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from onecard.measure.progress import Steps
from onecard.smoke.cases import Case, CaseFile
from onecard.smoke.run import Asks
from onecard.smoke.stream import Reply


class Counted:
    """Asks another, and says so after each question, also one that was not answered."""

    def __init__(self, asks: Asks, on_answer: Callable[[], None]) -> None:
        self.model = asks.model
        self._asks, self._on_answer = asks, on_answer

    def ask_case(self, case: Case, *, picture: bool = True) -> Reply:
        """Answer the question of `case`."""
        try:
            return self._asks.ask_case(case, picture=picture)
        finally:
            self._on_answer()


def smoke_steps(console: Console, host: str, asked: CaseFile, repeats: int) -> Steps:
    """Return the steps of run_smoke, one for each question that it asks."""
    pictured = sum(case.image is not None for case in asked.cases)
    return Steps(console, f"{host}  smoke", [1.0] * (1 + len(asked.cases) * repeats + pictured))
