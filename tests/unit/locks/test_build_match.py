"""Driver, card, Python, channel -> builds. Sources: see onecard/locks/build_match.py."""

from __future__ import annotations

import pytest

from onecard.locks.build_match import BuildMatch, Channel, NoMatch, match

NIGHTLY, COMMIT = "https://wheels.vllm.ai/nightly/", "https://wheels.vllm.ai/abc/"


@pytest.mark.parametrize(
    ("driver", "capability", "python", "channel", "version", "backend", "first", "made_with"),
    [
        # driver, card and Python of the H200 in fixtures/facts; vLLM's installation page: cu130
        ("580.159.04", "9.0", "3.12.3", "nightly", "", "cu130", NIGHTLY + "cu130", "3.12"),
        # made up: a later driver, card and Python
        ("590.1", "12.0", "3.13.1", "nightly", "", "cu130", NIGHTLY + "cu130", "3.13"),
        # CUDA Compatibility: 12.x from driver 525 on; vLLM's installation page: cu129
        ("535.247", "8.0", "3.12.3", "nightly", "", "cu129", NIGHTLY + "cu129", "3.12"),
        # Ubuntu 22.04's Python; vLLM 0.33.0's metadata: >= 3.11
        ("580.95.05", "8.0", "3.10.12", "release", "", "cu130", "", "3.12"),
        # vLLM 0.33.0 links libcudart.so.13
        ("580.95.05", "8.0", "3.12.3", "release", "0.33.0", "cu130", "", "3.12"),
        # vLLM 0.17.0 is on CUDA 12
        ("535.247", "8.0", "3.12.3", "release", "0.17.0", "cu128", "", "3.12"),
        # docs/contributing/ci/nightly_builds.md: /COMMIT alone is whichever variant is the default.
        ("580.1", "8.9", "3.15.0", "commit", "abc", "cu130", COMMIT + "cu130", "3.12"),
        ("535.247", "8.0", "3.12.3", "commit", "abc", "cu129", COMMIT + "cu129", "3.12"),
        # Requires-Python of 0.17.0 and 0.19.1: <3.14; of 0.20.0: <3.15 (Ubuntu 26.04 has 3.14).
        ("535.247", "8.0", "3.14.2", "release", "0.17.0", "cu128", "", "3.12"),
        ("580.1", "8.0", "3.14.2", "release", "0.19.1", "cu130", "", "3.12"),
        ("580.1", "8.0", "3.14.2", "release", "0.20.0", "cu130", "", "3.14"),
        # made up: as above, on a nightly
        ("580.1", "8.0", "3.14.2", "nightly", "", "cu130", NIGHTLY + "cu130", "3.14"),
        # Debian 12's Python, no card; vLLM's installation page: cpu
        ("", "", "3.11.2", "nightly", "", "cpu", NIGHTLY + "cpu", "3.11"),
        # made up: a box that does not report it
        ("580.1", "", "", "nightly", "", "cu130", NIGHTLY + "cu130", "3.12"),
    ],
)
def test_match(
    driver: str,
    capability: str,
    python: str,
    channel: Channel,
    version: str,
    backend: str,
    first: str,
    made_with: str,
) -> None:
    found = match(driver, capability, python, channel, version)
    assert isinstance(found, BuildMatch), found
    assert (found.torch_backend, found.index, found.python) == (backend, first, made_with)
    assert found.uv_python == (not python.startswith(made_with))


@pytest.mark.parametrize(
    ("driver", "channel", "version", "forward", "backend", "index"),
    [
        # what the driver runs by itself comes first
        ("580.95.05", "release", "", True, "cu130", ""),
        ("550.127.05", "nightly", "", True, "cu129", NIGHTLY + "cu129"),
        ("550.127.05", "commit", "abc", False, "cu129", COMMIT + "cu129"),
        # wheels.vllm.ai/0.21.0/cu129, as in the scripts of several projects
        ("550.127.05", "release", "0.21.0", False, "cu129", "https://wheels.vllm.ai/0.21.0/cu129"),
        ("550.127.05", "release", "0.17.0", False, "cu128", ""),
        # the newest release is on the Python index for CUDA 13 alone
        ("550.127.05", "release", "", True, "cu130", ""),
    ],
)
def test_a_driver_that_cannot_be_replaced(
    driver: str, channel: Channel, version: str, forward: bool, backend: str, index: str
) -> None:
    found = match(driver, "8.0", "3.12.3", channel, version, fixed=True, forward=forward)
    assert isinstance(found, BuildMatch), found
    assert (found.torch_backend, found.index) == (backend, index)


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        (
            "570.153.02",
            "driver 570.153.02 is too old for a CUDA 13 wheel: needs driver >= 580, and this one "
            "cannot be replaced here; set vllm.version, whose build for CUDA 12.9 is taken, or "
            "vllm.channel nightly; or take a box with driver >= 580 (CUDA 13)",
        ),
        (
            "470.256.02",
            "driver 470.256.02 is too old for CUDA 12: needs driver >= 525, and this one cannot be "
            "replaced here; take a box with driver >= 525 (CUDA 12)",
        ),
    ],
)
def test_no_match_for_a_driver_that_cannot_be_replaced(driver: str, words: str) -> None:
    assert match(driver, "8.9", "3.12.3", "release", fixed=True) == NoMatch(words)


@pytest.mark.parametrize(
    ("driver", "capability", "channel", "version", "words"),
    [
        # CUDA Compatibility: 13.x from driver 580 on
        ("535.247", "8.0", "release", "", "needs driver >= 580; run provision with driver.branch 580 or pin vllm 0.17.0"),
        # vLLM 0.20.2 is on CUDA 13
        ("570.1", "8.0", "release", "0.20.2", "needs driver >= 580"),
        # CUDA Compatibility: 12.x from driver 525 on
        ("470.1", "8.0", "nightly", "", "needs driver >= 525"),
        # CUDA 13's release notes: Volta (7.0) is no longer supported
        ("580.1", "7.0", "nightly", "", "capability 7.0 is too old"),
        # vLLM 0.17.0 is the first with Qwen3.5
        ("580.1", "8.0", "release", "0.16.0", "pin vllm.version 0.17.0"),
    ],
)  # fmt: skip
def test_no_match(driver: str, capability: str, channel: Channel, version: str, words: str) -> None:
    found = match(driver, capability, "3.12.3", channel, version)
    assert isinstance(found, NoMatch), found
    assert words in found.reason
    assert "\n" not in found.reason
