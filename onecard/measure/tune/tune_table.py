"""The result of a tune run on a terminal, and what one would try."""

from __future__ import annotations

from rich.console import Console

from onecard.console.live_line import rough
from onecard.console.whole_table import figure_table, print_whole
from onecard.measure.tune.candidates import LeftOut
from onecard.measure.tune.judgement import shown
from onecard.measure.tune.result import TunePlan, TuneResult
from onecard.statistics.geometric_mean import Mean


def print_plan(plan: TunePlan, console: Console) -> None:
    """Print each trial that would be made, what is left out, and how long a trial takes."""
    for number, each in enumerate(plan.candidates, start=1):
        note = "  (only where the KV cache is nearly full)" if each.for_more_cache else ""
        console.print(f"trial {number}: {each.title}{note}", markup=False)
    _print_left_out(plan.left_out, console)
    if plan.trial_s is not None:
        words = f"a trial took {rough(plan.trial_s)} here"
    elif plan.start_s is not None:
        words = f"a trial takes a start, {rough(plan.start_s)} here, and its load"
    else:
        words = "how long a trial takes is not known before the first one"
    console.print(
        f"{words}; the budget is {rough(plan.budget_s)}, and nothing was changed", soft_wrap=True
    )


def print_tune(found: TuneResult, console: Console) -> None:
    """Print each trial with its gain, what was left out, the result, and what to paste."""
    headings = ("trial", "requests/s", "share of limit", "took", "outcome")
    table = figure_table(*headings, left=(0, 4), gap=2)
    for trial in found.trials:
        judged = trial.judgement
        row = (trial.candidate.title, _ratio(judged.gain), _ratio(judged.use), rough(trial.seconds))
        style = "green" if trial.is_better else ""
        table.add_row(*row, judged.outcome, style=style)
    if found.trials:
        print_whole(table, console)
        console.print(
            "ratios to the best so far, of the same requests in turn; their 95 % intervals hold "
            "together",
            soft_wrap=True,
        )
    for trial in found.trials:
        if trial.judgement.gain is None:
            console.print(
                f"{trial.candidate.title}: {trial.judgement.reason}", markup=False, soft_wrap=True
            )
    _print_left_out(found.left_out, console)
    if (control := found.control) is not None:
        moved = "" if control.low <= 1 <= control.high else ": the box itself has changed meanwhile"
        console.print(
            f"the current release, measured again at the end: requests/s {_ratio(control)}{moved}",
            style="yellow" if moved else None,
            soft_wrap=True,
        )
    console.print(f"\n{found.line}", style="bold", markup=False, soft_wrap=True)
    if found.paste:
        if found.confirmed is None:
            console.print(
                "not confirmed: the current release was not measured again", style="yellow"
            )
        kept = "deployed now; to keep them with the next deploy, paste" if found.kept else "paste"
        console.print(f"{kept} into inventory/host_vars/{found.host}.yml:\n", soft_wrap=True)
        console.print(found.paste, markup=False, end="")


def _print_left_out(left_out: tuple[LeftOut, ...], console: Console) -> None:
    for each in left_out:
        console.print(f"left out: {each.option}: {each.reason}", markup=False, soft_wrap=True)


def _ratio(found: Mean | None) -> str:
    return "-" if found is None else shown(found)
