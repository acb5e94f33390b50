"""TLS certificates: self-signed, or from an ACME authority."""

from __future__ import annotations

import ipaddress
import shlex
from dataclasses import dataclass

from onecard.resources.absent import Absence, wiped
from onecard.resources.base import ABSENT, Differences, Resource, State, Value, fields
from onecard.ssh.probe_batch import Answer


def subject(name: str) -> str:
    """Return a host name or address as openssl shows a certificate's subjectAltName."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return f"DNS:{name}"
    if address.version == 4:
        return f"IP Address:{address}"
    groups = (f"{int(group, 16):X}" for group in address.exploded.split(":"))
    return f"IP Address:{':'.join(groups)}"


def _probe(certificate: str, key: str, margin: int) -> str:
    """Return shell that prints a certificate's names, its validity, and whether the key matches."""
    certificate, key = shlex.quote(certificate), shlex.quote(key)
    return (
        f"[ -s {certificate} ] && [ -s {key} ] && command -v openssl >/dev/null || exit 0\n"
        f"openssl x509 -in {certificate} -noout -ext subjectAltName "
        "| sed -n 's/^ *\\(\\(DNS\\|IP Address\\):.*\\)/names=\\1/p'\n"
        f"if openssl x509 -in {certificate} -noout -checkend {margin} >/dev/null; then "
        "echo lasts=yes; fi\n"
        f'if [ "$(openssl x509 -in {certificate} -noout -pubkey)" = '
        f'"$(openssl pkey -in {key} -pubout)" ]; then echo key=fits; fi\n'
        f"stat -Lc 'mode=%a' {key}"
    )


@dataclass(frozen=True)
class SelfSigned(Resource):
    """A self-signed certificate: a client gets a copy and trusts only that.

    Not a certificate authority: its key cannot sign for other names. Renewed within 30 days of its
    expiry.
    """

    certificate: str
    key: str
    host: str
    after: str = ""
    days: int = 825

    @property
    def name(self) -> str:
        return f"certificate {self.certificate}"

    def probe(self) -> str:
        return _probe(self.certificate, self.key, margin=30 * 86400)

    def read(self, answer: Answer) -> State:
        return fields(answer.output) or ABSENT

    def desired(self) -> State:
        return {"names": subject(self.host), "lasts": "yes", "key": "fits", "mode": "600"}

    def fix(self, differences: Differences, actual: State) -> str:
        if set(differences) == {"mode"}:
            return f"chmod 0600 {self.key}"
        kind, _, name = subject(self.host).partition(":")
        return (
            f"rm -f {self.key}.onecard-new {self.certificate}.onecard-new\n"
            "( umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
            f"-noenc -days {self.days} -config /dev/stdin -keyout {self.key}.onecard-new "
            f"-out {self.certificate}.onecard-new <<'@end'\n"
            "[req]\ndistinguished_name = name\nx509_extensions = extensions\nprompt = no\n"
            "[name]\nCN = onecard\n"
            "[extensions]\nsubjectKeyIdentifier = hash\nbasicConstraints = critical,CA:FALSE\n"
            "keyUsage = critical,digitalSignature\nextendedKeyUsage = serverAuth\n"
            f"subjectAltName = {kind.split()[0]}:{name}\n"
            "@end\n) 2>&1\n"
            f"chmod 0644 {self.certificate}.onecard-new\n"
            f"mv -f {self.key}.onecard-new {self.key}\n"
            f"mv -f {self.certificate}.onecard-new {self.certificate}\n"
            f"{self.after}"
        )


@dataclass(frozen=True)
class AcmeCertificate(Resource):
    """A certificate of Let's Encrypt, or of another ACME server, which certbot renews.

    The challenge uses port 80, on which only certbot listens, during a request.

    folder: certbot's own, `/etc/letsencrypt/live/NAME`. server: a directory's URL, empty for Let's
    Encrypt. email: for expiry warnings, or empty. renewed: shell that certbot runs after a renewal.
    """

    folder: str
    host: str
    email: str = ""
    server: str = ""
    renewed: str = ""

    @property
    def name(self) -> str:
        return f"certificate {self.folder}"

    def probe(self) -> str:
        lineage = self.folder.rpartition("/")[2]
        return (
            _probe(f"{self.folder}/fullchain.pem", f"{self.folder}/privkey.pem", margin=86400)
            + f"\nsed -n 's/^server = /server=/p' /etc/letsencrypt/renewal/{lineage}.conf"
        )

    def read(self, answer: Answer) -> State:
        return fields(answer.output) or ABSENT

    def desired(self) -> State:
        state: dict[str, Value] = {"names": subject(self.host), "lasts": "yes", "key": "fits"}
        return {**state, "server": self.server} if self.server else state

    def fix(self, differences: Differences, actual: State) -> str:
        words = ["certbot", "certonly", "--non-interactive", "--agree-tos", "--standalone"]
        words += ["--cert-name", self.folder.rpartition("/")[2], "-d", self.host]
        words += ["--key-type", "ecdsa", "--renew-with-new-domains", "--force-renewal"]
        words += ["--email", self.email] if self.email else ["--register-unsafely-without-email"]
        words += ["--server", self.server] if self.server else []
        words += ["--deploy-hook", self.renewed] if self.renewed else []
        return f"{shlex.join(words)} 2>&1"

    def advice(self) -> str:
        return (
            f"{self.host} must resolve to this box, and its port 80 must be open to the internet "
            "(the provider's own firewall too); for a private name: --tls internal"
        )


@dataclass(frozen=True)
class NoAcmeCertificate(Absence):
    """No certificate of certbot of this name, and no keys of it."""

    folder: str

    @property
    def name(self) -> str:
        return f"certificate {self.folder}"

    def probe(self) -> str:
        return f"[ ! -e {self.folder} ] || echo certificate and key"

    def fix(self, differences: Differences, actual: State) -> str:
        lineage = self.folder.rpartition("/")[2]
        archive = f"/etc/letsencrypt/archive/{lineage}"
        return f"{wiped(archive)}\ncertbot delete --non-interactive --cert-name {lineage} 2>&1"
