"""`invoke tune`."""

from __future__ import annotations

from onecard.cli import flag_values, targets
from onecard.cli.output import print_json, show_error
from onecard.console.host_console import progress_console
from onecard.console.terminal import Terminal
from onecard.measure.tune.candidates import OPTIONS
from onecard.measure.tune.goal import goal as parse_goal
from onecard.measure.tune.tune_run import plan_tune, run_tune
from onecard.measure.tune.tune_settings import TuneSettings
from onecard.measure.tune.tune_table import print_plan, print_tune
from onecard.records.write import plain


def settings(
    *,
    goal: str,
    concurrency: str,
    images: str,
    input_tokens: str,
    output_tokens: str,
    requests: str,
    repeats: str,
    budget: str,
    only: str,
    keep: bool,
) -> TuneSettings:
    """Return what the flags request. Raises UsageError naming the flag."""
    options = tuple(part.strip() for part in only.split(",")) if only else ()
    return TuneSettings(
        goal=parse_goal(goal),
        concurrency=flag_values.positive("--concurrency", concurrency),
        images=flag_values.whole("--images", images),
        input_tokens=flag_values.tokens("--input-tokens", input_tokens),
        output_tokens=flag_values.tokens("--output-tokens", output_tokens),
        requests=flag_values.positive("--requests", requests),
        repeats=flag_values.repeats("--repeats", repeats),
        budget_s=flag_values.duration("--budget", budget),
        only=tuple(flag_values.one_of("--only", option, OPTIONS) for option in options),
        keep=keep,
    )


def tune(requested: str, settings: TuneSettings, *, check: bool, as_json: bool) -> int:
    """Search settings that meet a goal; return 1 where what ran before does not run again."""
    host = targets.chosen_host(requested)
    output = Terminal()
    if check:
        plan = plan_tune(host, settings, targets.known_hosts())
        if as_json:
            print_json({"host": host.name, **plain(plan.values())})
        else:
            print_plan(plan, output)
        return 0
    found = run_tune(host, settings, targets.known_hosts(), progress_console())
    if found.trouble:
        show_error(f"{found.trouble}; to put the server right: invoke deploy", "")
    if as_json:
        trials = [trial.values() for trial in found.trials]
        print_json({"host": host.name, **plain({**found.values(), "trials": trials})})
    else:
        print_tune(found, output)
    return found.exit_code
