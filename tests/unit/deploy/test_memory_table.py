"""The table of where a server's memory went."""

from __future__ import annotations

import io

from rich.console import Console

from onecard.deploy import memory_table
from onecard.fit import Plan, find_gpu, find_model, plan
from onecard.startup_log import MemoryFacts

FACTS = MemoryFacts(weights_gib=51.1, kv_available_gib=17.21, graphs_gib=0.5)


PLANNED = plan(find_model("Qwen/Qwen3.5-27B").shape, find_gpu("A100-80GB"), 4096)


def shown(facts: MemoryFacts, cards: list[dict[str, int]], planned: Plan | None = None) -> str:
    text = io.StringIO()
    memory_table.print_memory(facts, cards, planned, planned, Console(file=text, width=100))
    return text.getvalue()


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_the_rows_of_one_card() -> None:
    found = rows(shown(FACTS, [{"index": 0, "used_mib": 73728, "total_mib": 81920}]))
    assert ["card:", "most", "used", "72.00", "GiB"] in found
    assert ["card:", "headroom", "8.00", "GiB", "of", "80.00", "GiB"] in found
    assert ["KV", "memory", "17.21", "GiB"] in found


def test_the_rows_of_two_cards_name_which() -> None:
    text = shown(
        FACTS,
        [
            {"index": 0, "used_mib": 40960, "total_mib": 81920},
            {"index": 1, "used_mib": 20480, "total_mib": 81920},
        ],
    )
    assert ["card", "0:", "most", "used", "40.00", "GiB"] in rows(text)
    assert ["card", "1:", "headroom", "60.00", "GiB", "of", "80.00", "GiB"] in rows(text)


def test_the_cards_stand_below_what_was_planned() -> None:
    text = shown(FACTS, [{"index": 0, "used_mib": 73728, "total_mib": 81920}], PLANNED)
    assert rows(text)[0] == ["memory", "planned", "logged", "difference"]
    assert text.index("KV memory") < text.index("card: most used")


def test_what_nothing_reported_is_no_table() -> None:
    assert shown(MemoryFacts(), []) == ""
