"""`invoke fit`."""

from __future__ import annotations

from rich.console import Console

from onecard import cli
from onecard.errors import UsageError
from onecard.fit import TABLE, Plan, find_gpu, find_model, plan, render, render_explain, table


def fit(
    model: str,
    gpu: str,
    *,
    ctx: str,
    util: str,
    kv_dtype: str,
    kv_gib: str,
    tp: str,
    quant: str,
    explain: bool,
    as_json: bool,
) -> int:
    """Plan a known model on a known card; return 0 when the context length starts, else 1."""
    tokens = cli.positive("--ctx", ctx)
    known, card = find_model(model), find_gpu(gpu)

    def make(length: int) -> Plan:
        return plan(
            known.shape,
            card,
            length,
            util=_share("--util", util),
            kv_dtype=kv_dtype,
            tp=cli.positive("--tp", tp),
            quant=quant or None,
            kv_gib=_number("--kv-gib", kv_gib) if kv_gib else None,
            model=model,
        )

    wanted = make(tokens)
    if as_json:
        cli.print_json(wanted.to_json())
    else:
        output = Console(highlight=False)
        render(table(make, sorted({*TABLE, tokens})), output)
        if explain:
            render_explain(wanted, output)
    return 0 if wanted.fits else 1


def _number(flag: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise UsageError(f'{flag}: "{text}" is not a number above 0')
    return number


def _share(flag: str, text: str) -> float:
    number = _number(flag, text)
    if number > 1:
        raise UsageError(f'{flag}: "{text}" is a share of the card: above 0, at most 1')
    return number
