"""Asks every cell's questions and judges the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import median

from onecard.errors import UnhealthyError
from onecard.measure.length import Text, text_of
from onecard.runs import Record
from onecard.smoke.cases import Case
from onecard.smoke.client import Client
from onecard.smoke.failures import ExceedsLimitError, NoAnswerError
from onecard.smoke.run import is_answered, most_guessable
from onecard.stress.cells import NO_PREFIX, Cell, messages
from onecard.stress.curve import Curve
from onecard.stress.result import (
    EXCEEDS,
    FAILED,
    RIGHT,
    WRONG,
    Answer,
    Tally,
    cell_values,
)

_MOST_SILENCES = 3  # unanswered requests in a row: the server is gone


@dataclass(frozen=True)
class Finished:
    """A cell and its answers."""

    cell: Cell
    answers: tuple[Answer, ...]

    @property
    def tally(self) -> Tally:
        """Return its answers counted."""
        return Tally.of(self.answers)


class Stress:
    """Runs cells against one server.

    cases: the picture questions; those without a picture are left out. asked: how many questions
    each cell asks, going round the cases, each behind a text of its own.
    """

    def __init__(self, client: Client, cases: Sequence[Case], asked: int, record: Record) -> None:
        pictured = [case for case in cases if case.image is not None]
        self._client, self._record = client, record
        self._cases = tuple(islice(cycle(pictured), asked))
        self._once = self._cases[: len(pictured)]
        self._texts: dict[tuple[str, int], list[Text]] = {}
        self._silences = 0

    def questions(self, cell: Cell) -> tuple[Case, ...]:
        """Return the questions of a cell. Without a text a second time is the same request."""
        return self._once if cell.prefix == NO_PREFIX else self._cases

    def run(
        self,
        wanted: Sequence[Cell],
        on_cell: Callable[[Finished], None] = lambda done: None,
        on_answer: Callable[[Answer], None] = lambda answer: None,
    ) -> Curve:
        """Ask everything and return the curve. Raises NoAnswerError when the server is gone."""
        answers: list[Answer] = []
        for cell in wanted:
            done = self._cell(cell, on_answer)
            answers += done.answers
            on_cell(done)
        curve = Curve.of(answers, most_guessable(self._once) / len(self._once))
        self._record.add("curve", **curve.values())
        return curve

    def _cell(self, cell: Cell, on_answer: Callable[[Answer], None]) -> Finished:
        answers = []
        tokens = []
        for number, case in enumerate(self.questions(cell)):
            text = self._text(cell, number)
            tokens.append(text.tokens)
            answer = self._ask(cell, case, text.text)
            answers.append(answer)
            self._record.add("answer", **answer.values(), picture=self._record.picture(case.image))
            on_answer(answer)
            if answer.outcome == EXCEEDS:  # so would the cell's other requests be
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

    def _ask(self, cell: Cell, case: Case, text: str) -> Answer:
        known = (cell, case.name, str(case.image), case.expect)
        try:
            reply = self._client.ask(
                messages(case, text, cell.position),
                max_tokens=case.max_tokens,
                thinking=case.thinking,
            )
        except ExceedsLimitError as error:
            return Answer(*known, EXCEEDS, limit=error.limit, error=error.message)
        except NoAnswerError as error:
            self._silences += 1
            if self._silences >= _MOST_SILENCES:
                raise
            return Answer(*known, FAILED, error=error.message)
        except UnhealthyError as error:
            return Answer(*known, FAILED, error=error.message)
        self._silences = 0
        return Answer(
            *known,
            RIGHT if is_answered(case, reply) else WRONG,
            given=reply.text,
            prompt_tokens=reply.prompt_tokens,
            latency_s=reply.total_s,
            ttft_s=reply.ttft_s,
            error=reply.trouble,
        )
