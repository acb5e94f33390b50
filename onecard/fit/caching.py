"""What prefix caching costs: the KV cache's tokens without it and with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from onecard.facts import Facts
from onecard.fit.on_host import UNKNOWN, BoxModel, host_server, settle
from onecard.fit.shape.errors import NotModelledError
from onecard.fit.shape.model_shape import LINEAR
from onecard.inventory.host import Host


@dataclass(frozen=True)
class CachingTokens:
    """The KV cache's tokens as vLLM would log them: without prefix caching, and with it.

    A hybrid model's requests then hold two blocks of recurrent state instead of one (engine.py).
    """

    off: int
    on: int

    @property
    def share(self) -> float:
        """Return the share of the tokens that prefix caching costs, 0 to 1."""
        return 1 - self.on / self.off if self.off else 0.0


def on_by_default(host: Host, box: BoxModel = UNKNOWN) -> bool | None:
    """Return whether the host's vLLM caches prefixes of its model where no flag says so.

    Those of hybrid models from 0.26 on (config/model.py, `is_prefix_caching_supported`). None where
    the model is not known.
    """
    try:
        server = host_server(host, box)
    except NotModelledError:
        return None
    return not server.shape.count(LINEAR) or server.rules.engine.state_blocks > 1


def caching_tokens(host: Host, facts: Facts, box: BoxModel) -> CachingTokens | None:
    """Plan the host's model on its card both ways; None where it is not modelled."""
    off, on = (_tokens(host, facts, box, caching=caching) for caching in (False, True))
    return None if off is None or on is None else CachingTokens(off, on)


def _tokens(host: Host, facts: Facts, box: BoxModel, *, caching: bool) -> int | None:
    serve = host.settings.serve.model_copy(update={"enable_prefix_caching": caching})
    settings = host.settings.model_copy(update={"serve": serve})
    planned = settle(replace(host, settings=settings), facts, box).planned
    return None if planned is None else planned.logged_tokens
