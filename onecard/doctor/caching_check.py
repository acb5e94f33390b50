"""Check that the server reuses what prompts have in common, unless its flags forbid it."""

from __future__ import annotations

from onecard.doctor.check import Check
from onecard.fit.caching import on_by_default
from onecard.inventory.host import Host
from onecard.server.prefix_caching import OFF, chosen, remedy
from onecard.server.state import ServiceState


def prefix_caching(host: Host, state: ServiceState) -> Check:
    """Check the deployed server's command line; where it says nothing, the default of its vLLM."""
    set_to, by_default = chosen(state.words), on_by_default(host)
    if not state.loaded:
        return Check("prefix caching", "ok", "no server is deployed yet")
    if set_to is not None:
        return Check("prefix caching", "ok", f"{'on' if set_to else 'off'}, as deployed")
    if by_default is False:
        return Check("prefix caching", "warning", OFF, remedy(host.name), "vLLM, config/model.py")
    message = "on" if by_default else "vLLM's default; this model is not known"
    return Check("prefix caching", "ok", message)
