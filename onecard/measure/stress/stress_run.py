"""Send every cell's questions and judge the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median

from onecard.api.client import Client
from onecard.api.failures import ExceedsLimitError, NoAnswerError
from onecard.errors import UnhealthyError
from onecard.measure.length import Text, text_of
from onecard.measure.stress.cells import NO_PREFIX, Cell, messages
from onecard.measure.stress.curve import Curve
from onecard.measure.stress.result import (
    EXCEEDS,
    FAILED,
    RIGHT,
    WRONG,
    StressAnswer,
    Tally,
    cell_values,
)
from onecard.records import Record
from onecard.smoke.case import Case
from onecard.smoke.smoke_run import is_answered, most_guessable

_MOST_UNANSWERED = 3  # unanswered requests in a row: the server is gone


@dataclass(frozen=True)
class Finished:
    """A cell and its answers."""

    cell: Cell
    answers: tuple[StressAnswer, ...]

    @property
    def tally(self) -> Tally:
        """The counts of its answers."""
        return Tally.of(self.answers)


class StressRun:
    """Runs cells against one server.

    cases: the picture questions; those without a picture are left out. each: the number
    of questions of each cell, cycling through the cases, each with a different text.
    """

    def __init__(self, client: Client, cases: Sequence[Case], each: int, record: Record) -> None:
        pictured = [case for case in cases if case.image is not None]
        self._client, self._record = client, record
        self._cases = tuple(islice(cycle(pictured), each))
        self._once = self._cases[: len(pictured)]
        self._texts: dict[tuple[str, int], list[Text]] = {}
        self._unanswered = 0

    def questions(self, cell: Cell) -> tuple[Case, ...]:
        """Return a cell's questions; without a text each only once, as a repeat is identical."""
        return self._once if cell.prefix == NO_PREFIX else self._cases

    def run(
        self,
        wanted: Sequence[Cell],
        on_cell: Callable[[Finished], None] = lambda done: None,
        on_answer: Callable[[StressAnswer], None] = lambda answer: None,
    ) -> Curve:
        """Send all questions and return the curve. Raises NoAnswerError if the server is gone."""
        answers: list[StressAnswer] = []
        for cell in wanted:
            done = self._cell(cell, on_answer)
            answers += done.answers
            on_cell(done)
        curve = Curve.of(answers, most_guessable(self._once) / len(self._once))
        self._record.add("curve", **curve.values())
        return curve

    def _cell(self, cell: Cell, on_answer: Callable[[StressAnswer], None]) -> Finished:
        answers = []
        tokens = []
        for number, case in enumerate(self.questions(cell)):
            text = self._text(cell, number)
            tokens.append(text.tokens)
            answer = self._answer(cell, case, text.text)
            answers.append(answer)
            self._record.add("answer", **answer.values(), picture=self._record.picture(case.image))
            on_answer(answer)
            if answer.outcome == EXCEEDS:  # so would the cell's other requests
                break
        self._record.add("cell", **cell_values(cell, round(median(tokens)), answers))
        return Finished(cell, tuple(answers))

    def _text(self, cell: Cell, seed: int) -> Text:
        """Return a text of the cell's length, one for each question, the same in both positions."""
        if cell.prefix == NO_PREFIX:
            return Text("", 0, 0)
        key = (cell.prefix, cell.target_tokens)
        known = self._texts.setdefault(key, [])
        if seed == len(known):
            guess = known[0].words if known else 0
            known.append(text_of(*key, self._client.count_tokens, seed, guess))
        return known[seed]

    def _answer(self, cell: Cell, case: Case, text: str) -> StressAnswer:
        known = (cell, case.name, str(case.image), case.expect)
        try:
            reply = self._client.chat(
                messages(case, text, cell.position),
                max_tokens=case.max_tokens,
                thinking=case.thinking,
            )
        except ExceedsLimitError as error:
            return StressAnswer(*known, EXCEEDS, limit=error.limit, error=error.message)
        except NoAnswerError as error:
            self._unanswered += 1
            if self._unanswered >= _MOST_UNANSWERED:
                raise
            return StressAnswer(*known, FAILED, error=error.message)
        except UnhealthyError as error:
            return StressAnswer(*known, FAILED, error=error.message)
        self._unanswered = 0
        return StressAnswer(
            *known,
            RIGHT if is_answered(case, reply) else WRONG,
            given=reply.text,
            prompt_tokens=reply.prompt_tokens,
            latency_s=reply.total_s,
            ttft_s=reply.ttft_s,
            error=reply.trouble,
        )
