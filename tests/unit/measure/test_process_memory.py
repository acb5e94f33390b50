"""Memory of the server's processes, beside what else a script prints."""

from __future__ import annotations

import pytest

from onecard.measure.process_memory import PEAK, RESIDENT, read_process_gib
from onecard.server.load_sample import read_cards

PRINTED = """\
VmRSS:\t 1048576 kB
VmRSS:\t  524288 kB
VmHWM:\t 4194304 kB
73751, 81559, 412.33, 61
"""


@pytest.mark.parametrize(("field", "gib"), [(RESIDENT, 1.5), (PEAK, 4.0)])
def test_the_processes_are_summed(field: str, gib: float) -> None:
    assert read_process_gib(PRINTED, field) == gib
    assert read_process_gib("", field) is None


def test_a_sample_has_the_cards_in_the_same_output() -> None:
    assert [card.memory_used_mib for card in read_cards(PRINTED)] == [73751]
