"""The probes that a run sends if the box is as the last run found it, made while the login waits.

They decide nothing: the plan is made from fresh facts and fresh answers. Wrong ones cost the round
trip that they should have saved.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from onecard.engine.facts_cache import FactsCache
from onecard.engine.probing import Roles, probes_of_roles
from onecard.inventory.host import Host


class ExpectedProbes:
    """The expected probes of one run on one host, from the facts of the run before.

    Makes them in a thread of its own, beginning now. cache: where the facts are stored.
    prepare: what else is best done while the login waits, before them.
    """

    def __init__(
        self,
        host: Host,
        roles: Roles,
        cache: FactsCache,
        prepare: Callable[[], object] = lambda: None,
    ) -> None:
        self.cache = cache
        self._prepare = prepare
        self._probes: tuple[str, ...] = ()
        self._thread = threading.Thread(target=self._expect, args=(host, roles), daemon=True)
        self._thread.start()

    def probes(self) -> tuple[str, ...]:
        """Return their shell text; none where no facts are stored."""
        self._thread.join()
        return self._probes

    def _expect(self, host: Host, roles: Roles) -> None:
        try:
            self._prepare()
            facts = self.cache.load()
            if facts is not None:
                self._probes = tuple(each.text for each in probes_of_roles(roles(host, facts)))
        except Exception:  # the roles are evaluated again, with the fresh facts
            return
