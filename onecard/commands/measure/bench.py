"""`invoke bench`."""

from __future__ import annotations

from onecard.cli import targets
from onecard.cli.output import print_json
from onecard.console.host_console import progress_console
from onecard.console.terminal import Terminal
from onecard.measure.bench.bench_run import run_bench
from onecard.measure.bench.bench_settings import BenchSettings
from onecard.measure.bench.bench_table import (
    print_agreement,
    print_costs,
    print_loads,
    print_tunnel,
)
from onecard.records.price import LoadCost, Price, RepeatedCost
from onecard.records.write import plain


def bench(requested: str, settings: BenchSettings, *, as_json: bool) -> int:
    """Make every load; return 1 when a request failed or the two generators differ."""
    host = targets.chosen_host(requested)
    price = Price.of(host.settings.model_dump())
    result = run_bench(host, settings, targets.known_hosts(), progress_console())
    costs = [LoadCost.of(load, price) for load in result.loads] if price else []
    repeated = RepeatedCost.of(result.repeated, price) if price else None
    if as_json:
        document = {
            "host": host.name,
            "loads": result.loads,
            "agreement": result.agreement.values(),
            "tunnel": result.tunnel,
        }
        if price:
            document["cost"] = plain({"price": price, "loads": costs, "repeated": repeated})
        print_json(document)
    else:
        output = Terminal()
        print_loads(result.loads, output)
        output.print()
        print_agreement(result.agreement, output)
        output.print()
        print_tunnel(result.tunnel, output)
        if price:
            output.print()
            print_costs(costs, repeated, price, output)
    return result.exit_code
