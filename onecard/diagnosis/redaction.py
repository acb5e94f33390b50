"""Redact a text that is to be published: no secret, address, host name or user name stays.

The same value gets the same placeholder everywhere, so that a log stays readable. Too much is
redacted rather than too little; loopback addresses, versions and public sites stay.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from onecard.credentials.secret import MASK, masked

_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|\Z)", re.S)
# Secrets by their own form, beside those that `masked` knows: GitHub, GitLab, AWS, Google, NVIDIA,
# Slack, JWT.
_TOKENS = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{8,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|AKIA[A-Z0-9]{12,}|AIza[\w-]{30,}|nvapi-[\w-]{16,}|xox[a-z]-[\w-]{10,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?)"
)
_AUTHORIZATION = re.compile(r"(?i)(\b(?:Bearer|Basic)\s+)[A-Za-z0-9+/=._~-]{6,}")
# A pattern that begins with a repeated class begins where no such character is before it: else a
# line of a megabyte, without a space, is searched from each of its characters.
# `--api-key VALUE`, `HF_TOKEN=VALUE`, `'api_key': ['VALUE']`, `"password": "VALUE"`.
_NAMED = re.compile(
    r"(?i)(?<![\w-])([\w-]*(?:secret|passw(?:or)?d|passphrase|api[_-]?key|credentials?|access[_-]?key(?:[_-]id)?)"
    r"|[\w-]*token(?!s|iz))"
    r"(['\"]?\s*[=:]\s*|\s+(?=[^\s=:-]))(?P<quote>\[?['\"]?)(?P<value>[^\s'\",;\]})]+)"
)
_FLAG = re.compile(r"--[\w-]+\Z")
_LONGEST_FLAG = 80
_NO_SECRET = re.compile(r"(?:None|null|True|False|true|false|\d{1,9}|\*+|<[\w-]+>|\$\{?\w+\}?)\Z")
_SIGNED = re.compile(r"(?i)\?[^\s'\"<>]*(?:signature|token|key|policy|expires)[\w-]*=[^\s'\"<>]*")
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_PROMPT = re.compile(r"(?m)^(\W{0,3}(?:\([\w.-]+\) ?)?)([a-z_][\w.-]*)@([\w.-]+)(?=[:~\s])")
_HOME = re.compile(r"((?:/home/|/Users/|[A-Z]:\\+Users\\+))([^/\\\s'\":,;]+)")
_USER = re.compile(
    r"(?i)(\b(?:user(?:name)?|logname|login)\s*[=:]\s*['\"]?|\b(?:for|of) user )([A-Za-z_][\w.-]*)"
    r"|(\buid=\d+\()([^)]+)"
)
_SERVICE_USERS = frozenset({"root", "onecard", "vllm", "nobody", "none"})
_JOURNAL_HOST = re.compile(
    r"(?m)^((?:[A-Z][a-z]{2} [ \d]\d [\d:.]{8,15}|\d{4}-\d\d-\d\dT\S{8,30}"
    r"|[A-Z][a-z]{2} \d{4}-\d\d-\d\d [\d:.]{8,15} \S{1,8}) )([^\s:\[\]]+)(?= [^\s:]+: )"
)
# `HOST:PID:THREAD [GPU] NCCL INFO`
_NCCL_HOST = re.compile(r"(?m)((?:^|[\])|>] ?))([A-Za-z0-9][\w.-]*)(?=:\d+:\d+ \[\d+\] )")
_POD = re.compile(r"(?m)^(\[pod/)([^/\]\s]+)")
_URL_HOST = re.compile(
    r"(\b[a-z][a-z0-9+.-]{1,20}://)([A-Za-z0-9][\w.-]*\.[\w.-]*\w|[\w-]+(?=:\d))"
)
_DOMAIN = re.compile(
    r"(?<![\w.@/-])((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+"
    r"(?:com|net|org|edu|gov|eu|de|uk|fr|nl|ch|cn|jp|kr|in|io|cloud|internal|local|lan|corp|home))"
    r"(?![\w(]|\.\w)",
    re.I,
)
_CLOUD_HOST = re.compile(r"\bip-\d{1,3}-\d{1,3}-\d{1,3}-\d{1,3}\b")
_PUBLIC = re.compile(
    r"(?:.*\.)?(?:huggingface\.co|hf\.co|hf-mirror\.com|modelscope\.cn|github\.com|github\.io"
    r"|githubusercontent\.com|python\.org|pytorch\.org|nvidia\.com"
    r"|ubuntu\.com|debian\.org|vllm\.ai|docker\.com|readthedocs\.io|kernel\.org"
    r"|astral\.sh|flashinfer\.ai|discuss\.vllm\.ai|localhost)\Z",
    re.I,
)
_IPV4 = re.compile(r"(?<![\w.])(?<!==)(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)")
_VERSION_BEFORE = re.compile(r"(?i)(?:version|release|driver|cuda|cudnn|nccl)\W{0,3}\Z")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_MAC = re.compile(r"(?<![\w:])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![\w:])")
_DEVICE_ID = re.compile(
    r"\b(?:GPU|MIG)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
    r"|(?<![\w-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![\w-])"
)
_SERIAL = re.compile(r"(?i)(\bserial(?: number)?['\"]?\s*[=:]\s*['\"]?)(\w{6,})")
_SHORTEST_NAME = 3
# Names that say nothing of whose machine it is, and words of a log.
_COMMON_NAMES = frozenset({"localhost", "unknown", "vllm", "nvidia", "server", "node", "host"})


@dataclass(frozen=True)
class Known:
    """Values that are known to be private: names of hosts and users, addresses."""

    hosts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


NOTHING_KNOWN = Known()


@dataclass
class _Names:
    """The placeholder of each private value, numbered by kind."""

    given: dict[tuple[str, str], str] = field(default_factory=dict)

    def of(self, kind: str, value: str) -> str:
        key = (kind, value.lower())
        number = 1 + sum(1 for other, _ in self.given if other == kind)
        return self.given.setdefault(key, f"<{kind}-{number}>")


def redact(text: str, known: Known = NOTHING_KNOWN) -> str:
    """Return `text` without private values, `known` ones and those recognised by their form."""
    names = _Names()
    text = _without_secrets(text)
    for kind, values in (("host", known.hosts), ("user", known.users)):
        text = _without_names(text, kind, values, names)
    text = _EMAIL.sub("<email>", text)
    text = _PROMPT.sub(lambda m: f"{m[1]}{names.of('user', m[2])}@{names.of('host', m[3])}", text)
    text = _HOME.sub(lambda m: m[1] + _user(m[2], names), text)
    text = _USER.sub(lambda m: (m[1] or m[3]) + _user(m[2] or m[4], names), text)
    found = {m[2] for pattern in (_JOURNAL_HOST, _NCCL_HOST, _POD) for m in pattern.finditer(text)}
    text = _without_names(text, "host", found, names)
    for pattern in (_JOURNAL_HOST, _NCCL_HOST, _POD):
        text = pattern.sub(lambda m: m[1] + names.of("host", m[2]), text)
    text = _URL_HOST.sub(lambda m: m[1] + _host(m[2], names), text)
    text = _DOMAIN.sub(lambda m: _host(m[1], names), text)
    text = _CLOUD_HOST.sub(lambda m: names.of("host", m[0]), text)
    for value in known.addresses:
        text = text.replace(value, names.of("address", value)) if value else text
    text = _IPV4.sub(lambda m: _address(m, names), text)
    text = _MAC.sub(lambda m: names.of("address", m[0]), text)
    text = _IPV6.sub(lambda m: _address(m, names), text)
    text = _DEVICE_ID.sub(lambda m: names.of("id", m[0]), text)
    return _SERIAL.sub(lambda m: m[1] + names.of("id", m[2]), text)


def _without_secrets(text: str) -> str:
    text = _PEM.sub(MASK, masked(text))
    text = _TOKENS.sub(MASK, text)
    text = _AUTHORIZATION.sub(rf"\g<1>{MASK}", text)
    text = _SIGNED.sub(f"?{MASK}", text)
    return _NAMED.sub(_named, text)


def _named(match: re.Match[str]) -> str:
    name, between = match[1], match[2]
    if _NO_SECRET.match(match["value"]):
        return match[0]
    # `token VALUE` is a flag's value; in a sentence it is a word.
    end = match.end(1)
    if not between.strip() and not _FLAG.search(match.string, max(0, end - _LONGEST_FLAG), end):
        return match[0]
    return f"{name}{between}{match['quote']}{MASK}"


def _without_names(text: str, kind: str, values: Iterable[str], names: _Names) -> str:
    for value in sorted(set(values), key=len, reverse=True):
        if len(value) < _SHORTEST_NAME or value.lower() in _COMMON_NAMES | _SERVICE_USERS:
            continue
        text = re.sub(
            rf"(?<![\w]){re.escape(value)}(?![\w])",
            names.of(kind, value),
            text,
            flags=re.IGNORECASE,
        )
    return text


def _user(name: str, names: _Names) -> str:
    return name if name.lower() in _SERVICE_USERS or name[0] == "<" else names.of("user", name)


def _host(name: str, names: _Names) -> str:
    return name if _PUBLIC.match(name) or _IPV4.fullmatch(name) else names.of("host", name)


def _address(match: re.Match[str], names: _Names) -> str:
    try:
        address = ipaddress.ip_address(match[0])
    except ValueError:
        return match[0]
    if address.is_loopback or address.is_unspecified:
        return match[0]
    if address.version == 4 and _VERSION_BEFORE.search(match.string[: match.start()][-20:]):
        return match[0]
    return names.of("address", match[0])
