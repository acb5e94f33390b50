"""`invoke stress`."""

from __future__ import annotations

from collections.abc import Sequence

from onecard.cli import flag_values, targets
from onecard.cli.output import print_json
from onecard.console.host_console import progress_console
from onecard.console.terminal import Terminal
from onecard.measure.stress.stress_host import StressSettings, stress_host
from onecard.measure.stress.stress_table import print_stress
from onecard.measure.texts import KINDS


def stress(
    requested: str,
    *,
    lengths: Sequence[int],
    prefixes: str,
    cases: str,
    asked: int,
    as_json: bool,
) -> int:
    """Send picture questions beside ever longer texts.

    Return 1 when a request failed, or when the controls say that the pictures were ignored. Wrong
    answers behind long texts are what is measured, not a failure. lengths: none for the usual ones.
    """
    host = targets.chosen_host(requested)
    settings = StressSettings(tuple(lengths), _kinds(prefixes), cases, asked)
    done = stress_host(host, targets.known_hosts(), progress_console(), settings)
    if as_json:
        print_json({"host": host.name, "model": done.model, **done.curve.values()})
    else:
        print_stress(done.cells, done.curve, Terminal())
    return done.exit_code


def _kinds(text: str) -> tuple[str, ...]:
    kinds = dict.fromkeys(part.strip() for part in text.split(","))
    return tuple(flag_values.one_of("--prefixes", kind, KINDS) for kind in kinds)
