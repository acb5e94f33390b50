"""Send every case, judge the answers, and verify that they come from the pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Protocol

from onecard.api.failures import NoAnswerError
from onecard.api.stream import Reply
from onecard.errors import UnhealthyError
from onecard.smoke.case import Case, CaseFile
from onecard.smoke.judge import is_right
from onecard.smoke.report import CaseResult, PictureControl, SmokeReport


class CaseClient(Protocol):
    """A client that answers cases: onecard.api.client.Client, or one that a test defines."""

    model: str

    def send_case(self, case: Case, *, picture: bool = True) -> Reply:
        """Return the answer to the question of `case`."""


def run_smoke(
    client: CaseClient,
    case_file: CaseFile,
    *,
    host: str,
    repeats: int = 3,
    on_result: Callable[[CaseResult], None] = lambda result: None,
) -> SmokeReport:
    """Send one warm-up request, every case `repeats` times, then the picture control.

    host: the name for the report. on_result: called after each case, for live output.
    Requests go one after another, so latencies are those of an idle server; the repeats of a case
    may meet the server's caches, as a user's second question about a picture does. A case that the
    server refuses counts as failed. Raises what the warm-up raises, and NoAnswerError at any time:
    a server that stops answering gets no further requests.
    """
    warm_up = client.send_case(case_file.cases[0])
    results: list[CaseResult] = []
    steady: list[float] = []
    for case in case_file.cases:
        result = _try_case(client, case, repeats)
        steady += result.latencies_s
        results.append(result)
        on_result(result)
    return SmokeReport(
        host=host,
        model=client.model,
        cases=tuple(results),
        control=_control(client, case_file.cases, results),
        warmup_s=warm_up.total_s,
        steady_s=tuple(steady),
    )


def is_answered(case: Case, reply: Reply) -> bool:
    """Return whether `reply` answers `case` right."""
    return is_right(reply.text, case.expect, case.forbid)


def _try_case(client: CaseClient, case: Case, repeats: int) -> CaseResult:
    replies: list[Reply] = []
    error = ""
    try:
        for _ in range(repeats):
            replies.append(client.send_case(case))
    except NoAnswerError:
        raise
    except UnhealthyError as refused:
        error = refused.message
    wrong = [reply for reply in replies if not is_answered(case, reply)]
    shown = next(iter(wrong or replies), None)
    first_tokens = [reply.ttft_s for reply in replies if reply.ttft_s is not None]
    latencies = [reply.total_s for reply in replies]
    return CaseResult(
        name=case.name,
        question=case.question,
        expected=case.expect,
        given=shown.text if shown else "",
        passed=not error and not wrong,
        latency_s=median(latencies) if latencies else None,
        ttft_s=median(first_tokens) if first_tokens else None,
        prompt_tokens=shown.prompt_tokens if shown else None,
        completion_tokens=shown.completion_tokens if shown else None,
        error=error or (shown.trouble if shown else ""),
        latencies_s=tuple(latencies),
        ttfts_s=tuple(first_tokens),
    )


def _control(
    client: CaseClient, cases: Sequence[Case], results: Sequence[CaseResult]
) -> PictureControl | None:
    pairs = [(c, r) for c, r in zip(cases, results, strict=True) if c.image is not None]
    if not pairs:
        return None
    right_without = 0
    added: list[int] = []
    for case, result in pairs:
        try:
            reply = client.send_case(case, picture=False)
        except NoAnswerError:
            raise
        except UnhealthyError:
            continue
        right_without += is_answered(case, reply)
        if result.prompt_tokens is not None and reply.prompt_tokens is not None:
            added.append(result.prompt_tokens - reply.prompt_tokens)
    return PictureControl(
        asked=len(pairs),
        right_with=sum(result.passed for _, result in pairs),
        right_without=right_without,
        guessable=most_guessable([case for case, _ in pairs]),
        added_tokens=min(added) if added else None,
    )


def most_guessable(cases: Sequence[Case]) -> int:
    """Return how many of `cases` one fixed answer can get right: the best of the expected ones."""
    answers = {entry for case in cases for entry in case.expect}
    return max(
        sum(is_right(answer, case.expect, case.forbid) for case in cases) for answer in answers
    )
