"""Which certificate authorities the controller trusts beyond a fresh box's own. Pure."""

from __future__ import annotations

import hashlib
import re

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END CERTIFICATE-----")


def certificates(bundle: str) -> dict[str, str]:
    """Return digest of the certificate -> its PEM text, in the bundle's order, each once."""
    found = {}
    for match in _PEM.finditer(bundle):
        body = "".join(match[1].split())
        found[hashlib.sha256(body.encode()).hexdigest()[:16]] = match[0] + "\n"
    return found


def added(controller: str, box: str) -> dict[str, str]:
    """Return the certificates of the controller's bundle that the box's bundle lacks."""
    known = certificates(box)
    return {name: pem for name, pem in certificates(controller).items() if name not in known}
