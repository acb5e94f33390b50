"""The progress of the picture questions."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from onecard.api.stream import Reply
from onecard.console.steps import Steps
from onecard.smoke.case import Case, CaseFile
from onecard.smoke.smoke_run import CaseClient


class CountingClient:
    """Passes questions to another client; calls `on_answer` after each, answered or not."""

    def __init__(self, client: CaseClient, on_answer: Callable[[], None]) -> None:
        self.model = client.model
        self._client, self._on_answer = client, on_answer

    def send_case(self, case: Case, *, picture: bool = True) -> Reply:
        """Return the answer to the question of `case`."""
        try:
            return self._client.send_case(case, picture=picture)
        finally:
            self._on_answer()


def smoke_steps(console: Console, host: str, case_file: CaseFile, repeats: int) -> Steps:
    """Return the steps of run_smoke, one for each question that it sends."""
    pictured = sum(case.image is not None for case in case_file.cases)
    return Steps(console, f"{host}  smoke", [1.0] * (1 + len(case_file.cases) * repeats + pictured))
