"""Which build a box can run, from its facts and settings."""

from __future__ import annotations

from onecard.driver import decide
from onecard.driver.forward import fixed, forward_compatibility
from onecard.facts.model import Facts
from onecard.facts.versions import version_key
from onecard.locks.build_match import BuildMatch, NoMatch, match
from onecard.settings.settings import Settings


def box_match(facts: Facts, settings: Settings) -> BuildMatch | NoMatch:
    """Return the build for the driver that the box has, or that provision will install."""
    leave = decide(facts, settings.driver).action == "leave"
    return match(
        facts.driver.version if leave else str(settings.driver.branch),
        min((gpu.capability for gpu in facts.gpus), key=version_key, default=""),
        settings.python.version or facts.python.version,
        settings.vllm.channel,
        settings.vllm.version,
        settings.indexes.vllm,
        fixed=fixed(facts, settings.driver),
        forward=forward_compatibility(facts, settings.driver, "cu130") is not None,
    )
