"""The card catalogue: names as nvidia-smi prints them, and what a card cannot do."""

from __future__ import annotations

import pytest

from onecard.errors import UsageError
from onecard.facts.cards import CARDS
from onecard.fit import NotModelledError, detected_gpu, find_gpu, find_model, known_gpus, plan
from onecard.fit.catalogue.gpu import card_of
from onecard.locks.build_match import NoMatch, match

LLAMA = find_model("meta-llama/Llama-3.1-8B-Instruct").shape


@pytest.mark.parametrize(
    ("printed", "name", "mib"),
    [
        ("NVIDIA A40", "A40-48GB", 46_068),
        ("NVIDIA A30", "A30-24GB", 24_576),
        ("NVIDIA L20", "L20-48GB", 46_068),
        ("NVIDIA B200", "B200-180GB", 183_359),
        ("NVIDIA B300 SXM6 AC", "B300-270GB", 275_040),
        ("NVIDIA RTX 6000 Ada Generation", "RTX-6000-Ada-48GB", 49_140),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000-96GB", 97_887),
        ("Tesla V100-SXM2-32GB", "V100-32GB", 32_768),
        ("Tesla V100-SXM2-16GB", "V100-16GB", 16_384),
    ],
)
def test_a_card_is_found_by_the_name_that_nvidia_smi_prints(
    printed: str, name: str, mib: int
) -> None:
    found = find_gpu(printed)
    assert (found.name, found.memory_mib) == (name, mib)
    detected = detected_gpu(printed, mib, found.compute_capability)
    assert (detected.usable_gib, detected.name) == (found.usable_gib, printed)


def test_with_ecc_on_a_card_has_what_nvidia_smi_shows() -> None:
    """RTX 6000 Ada with 46,068 MiB: 44.43 GiB in PyTorch's message."""
    found = detected_gpu("NVIDIA RTX 6000 Ada Generation", 46_068, "8.9")
    assert found.usable_gib == pytest.approx(44.43, abs=0.5)


def test_every_card_has_figures_that_agree() -> None:
    capabilities = {capability for _, capability in CARDS.values()}
    for gpu in known_gpus():
        assert 0.94 < gpu.usable_gib / (gpu.memory_mib / 1024) < 1, gpu.name
        assert gpu.compute_capability in capabilities | {"12.1"}, gpu.name


def test_a_card_without_memory_in_nvidia_smi_has_the_catalogues() -> None:
    found = detected_gpu("NVIDIA GB10", None, "12.1")
    most = plan(LLAMA, found, 4096)
    assert (found.memory_mib, most.max_num_batched_tokens) == (124_610, 2048)
    assert (most.fits, most.surely_fits) == (True, False)
    assert most.reasons[0].startswith("the card shares its memory with the system")
    assert plan(LLAMA, found, 4096, util=0.8).reasons == ()
    with pytest.raises(NotModelledError, match="the memory of NVIDIA Other is not known"):
        detected_gpu("NVIDIA Other", None)


def test_fit_refuses_the_card_that_provision_refuses() -> None:
    planned = plan(LLAMA, find_gpu("V100"), 4096)
    refused = match("580.95.05", "7.0", "3.12")
    assert isinstance(refused, NoMatch)
    assert (planned.fits, planned.max_ctx, planned.reasons) == (False, 0, (refused.reason,))


@pytest.mark.parametrize("name", ["MI300X", "AMD Instinct MI300X", "mi325x"])
def test_a_card_that_is_not_modelled_is_named(name: str) -> None:
    with pytest.raises(NotModelledError, match=f"--gpu {name} is not modelled: it is an AMD card"):
        find_gpu(name)
    with pytest.raises(UsageError, match="not in the catalogue"):
        find_gpu("MI1")


def test_a_card_by_memory_alone_is_planned_like_one_that_is_named() -> None:
    unnamed, named = card_of(80), find_gpu("A100-80GB")
    assert unnamed.name == "card of 80 GiB"
    assert unnamed.usable_gib == pytest.approx(named.usable_gib, rel=0.02)
    assert plan(LLAMA, unnamed, 4096).fits
