"""Verify a public API from this computer, as its clients use it: name, port, certificate, key."""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from onecard.api.address import in_url
from onecard.credentials.secret import Secret
from onecard.errors import UnhealthyError

_POLL = 1.0  # seconds between two checks
_TIMEOUT = 10.0  # seconds for one connection or answer


@dataclass(frozen=True)
class PublicApi:
    """An API at https://NAME:PORT.

    address: of the box; used when the name does not resolve here.
    certificate: the PEM text that the box serves. trusted: file to verify it against, None for this
        computer's own authorities.
    """

    name: str
    port: int
    address: str
    certificate: str
    trusted: Path | None = None

    @property
    def url(self) -> str:
        """Return the base URL, such as `https://api.example.org/v1`."""
        port = f":{self.port}" if self.port != 443 else ""
        return f"https://{in_url(self.name)}{port}/v1"

    def resolved(self) -> tuple[str, ...]:
        """Return the addresses that the name resolves to on this computer; empty if it does not."""
        try:
            found = socket.getaddrinfo(self.name, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror:
            return ()
        return tuple(dict.fromkeys(str(place[0]) for *_, place in found))

    def status(self, path: str, key: Secret | None = None) -> int:
        """Return the status code of a GET.

        The key is sent only to a server with the box's own certificate. Raises OSError.
        """
        context = ssl.create_default_context(cafile=self.trusted)
        place = (self.name if self.resolved() else self.address, self.port)
        with (
            socket.create_connection(place, _TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=self.name) as secured,
        ):
            shown = hashlib.sha256(secured.getpeercert(binary_form=True) or b"").hexdigest()
            if shown != fingerprint(self.certificate):
                raise ssl.SSLCertVerificationError("another server's certificate is shown")
            connection = http.client.HTTPConnection(self.name, self.port, timeout=_TIMEOUT)
            connection.sock = secured
            headers = {"Authorization": f"Bearer {key.reveal()}"} if key else {}
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status


def fingerprint(pem: str) -> str:
    """Return the SHA-256 of the first certificate in a PEM text, in hexadecimal."""
    end = "-----END CERTIFICATE-----"
    first = pem.partition(end)[0] + end
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first.strip())).hexdigest()


def wait_until_public(api: PublicApi, key: Secret, deadline_s: float) -> None:
    """Wait until the API answers with the key, refuses without it, and shows nothing else.

    Raises UnhealthyError with what is wrong and what to do.
    """
    expected = (("/v1/models", key, 200), ("/v1/models", None, 401), ("/metrics", None, 404))
    deadline = time.monotonic() + deadline_s
    while True:
        trouble = _trouble(api, expected)
        if not trouble:
            return
        if time.monotonic() > deadline:
            raise UnhealthyError(f"{api.url} does not answer as it should: {trouble}")
        time.sleep(_POLL)


def _trouble(api: PublicApi, expected: tuple[tuple[str, Secret | None, int], ...]) -> str:
    try:
        for path, key, code in expected:
            received = api.status(path, key)
            if received != code:
                manner = "with" if key else "without"
                return f"{path} {manner} the key gives {received}, not {code}"
    except (OSError, http.client.HTTPException) as error:
        return explain(error, api)
    return ""


def explain(error: Exception, api: PublicApi) -> str:
    """Return what a failed connection means and what to do about it."""
    found = api.resolved()
    elsewhere = ""
    if found and api.address not in found:
        elsewhere = f"; {api.name} resolves to {', '.join(found)}, the box is {api.address}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is refused ({_reason(error)}){elsewhere}"
    if isinstance(error, ssl.SSLError):
        return f"port {api.port} does not speak TLS ({_reason(error)}){elsewhere}"
    if isinstance(error, TimeoutError):
        return (
            f"port {api.port} does not answer: a firewall before the box drops it; open TCP "
            f"{api.port} in the provider's console{elsewhere}"
        )
    if isinstance(error, ConnectionRefusedError):
        return (
            f"port {api.port} is refused: nothing listens on it, or a firewall rejects it; run "
            f"invoke doctor, and read the log of onecard-proxy on the box{elsewhere}"
        )
    return f"{error}{elsewhere}"


def _reason(error: ssl.SSLError) -> str:
    message = getattr(error, "verify_message", "") or getattr(error, "reason", "") or error.args[-1]
    return str(message)
