"""The controller's apt sources: parse both formats, select the vendor's, write them for a box.

Formats: sources.list(5). Third-party sources are left out: their keys or hosts may fail inside a
box, and a bare box has only its vendor's archive.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from urllib.parse import urlsplit

# One-line options whose deb822 field has another name (sources.list(5)); the rest only change case.
_FIELD_OF_OPTION = {"arch": "Architectures", "lang": "Languages", "target": "Targets"}
_POCKETS = ("", "-updates", "-security", "/updates", "-backports", "-proposed-updates", "-proposed")
_COMPONENTS = {
    "main", "contrib", "non-free", "non-free-firmware", "universe", "restricted", "multiverse",
}  # fmt: skip
_SCHEMES = ("http", "https", "file", "copy", "mirror", "mirror+http", "mirror+https")


@dataclass(frozen=True)
class Source:
    """One apt source. options: further deb822 fields by their names, such as `Signed-By`."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def keyring(self) -> str:
        """Return the path of the keyring in `Signed-By`, or an empty string."""
        signed_by = self.options.get("Signed-By", "").strip()
        return signed_by if signed_by.startswith("/") else ""

    @property
    def trusted(self) -> bool:
        """Return whether apt does not verify its signatures."""
        return self.options.get("Trusted", "").lower() == "yes"

    @property
    def folders(self) -> tuple[str, ...]:
        """Return the local folders that the source reads."""
        parts = (urlsplit(uri) for uri in self.uris)
        return tuple(part.path for part in parts if part.scheme in ("file", "copy"))


def parse_list(text: str) -> list[Source]:
    """Parse the one-line format: `deb [option=value] URI suite component...`."""
    found = []
    for line in text.splitlines():
        kind, _, rest = line.split("#", 1)[0].strip().partition(" ")
        if kind != "deb":
            continue
        rest, options = rest.strip(), {}
        if rest.startswith("["):
            inside, _, rest = rest[1:].partition("]")
            for option in shlex.split(inside):
                name, _, value = option.partition("=")
                options[_FIELD_OF_OPTION.get(name, name.title())] = value.replace(",", " ")
        words = rest.split()
        if len(words) > 1:
            found.append(Source((words[0],), (words[1],), tuple(words[2:]), options))
    return found


def parse_deb822(text: str) -> list[Source]:
    """Parse the stanza format of `.sources` files; disabled stanzas are left out."""
    found = []
    for stanza in _stanzas(text):
        fields = dict(stanza)
        types = fields.pop("Types", "").split()
        uris, suites, components = (
            tuple(fields.pop(name, "").split()) for name in ("URIs", "Suites", "Components")
        )
        enabled = fields.pop("Enabled", "yes").strip().lower()
        if "deb" in types and uris and suites and enabled not in ("no", "false", "0"):
            found.append(Source(uris, suites, components, fields))
    return found


def _stanzas(text: str) -> Iterable[dict[str, str]]:
    canonical = {"uris": "URIs"}
    stanza: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if stanza:
                yield stanza
            stanza, name = {}, ""
        elif line[0] in " \t" and name:
            stanza[name] += "\n" + line
        elif ":" in line:
            key, _, value = line.partition(":")
            name = canonical.get(key.strip().lower(), key.strip().title())
            stanza[name] = value.strip()


def vendor_sources(sources: Iterable[Source], codename: str) -> list[Source]:
    """Return the sources of the controller's own release that its vendor signs.

    A keyring is the vendor's if it has the name of Debian's or Ubuntu's. Where no source of the
    release has such a keyring (a mirror with its own signature), any keyring is accepted.
    """
    release = [narrowed for source in sources if (narrowed := _of_release(source, codename))]
    signed = [source for source in release if _vendor_keyring(source)]
    has_main = any(codename in source.suites for source in signed)
    return signed if has_main else release


def _of_release(source: Source, codename: str) -> Source | None:
    suites = tuple(s for s in source.suites if s in {codename + pocket for pocket in _POCKETS})
    components = tuple(c for c in source.components if c in _COMPONENTS)
    uris = tuple(uri for uri in source.uris if urlsplit(uri).scheme in _SCHEMES)
    if not (suites and components and uris):
        return None
    return replace(source, uris=uris, suites=suites, components=components)


def _vendor_keyring(source: Source) -> bool:
    name = PurePosixPath(source.keyring).name
    return not source.keyring or name.startswith(("debian-archive-", "ubuntu-archive-"))


def main_source(sources: Iterable[Source], codename: str) -> Source | None:
    """Return the source to build a base tree from: the release itself, with `main`."""
    for source in sources:
        if codename in source.suites and "main" in source.components:
            return source
    return None


def sources_text(sources: Iterable[Source]) -> str:
    """Return the sources in the stanza format."""
    stanzas = []
    for source in sources:
        lines = [
            "Types: deb",
            f"URIs: {' '.join(source.uris)}",
            f"Suites: {' '.join(source.suites)}",
            f"Components: {' '.join(source.components)}",
            *(f"{name}: {value}" for name, value in source.options.items()),
        ]
        stanzas.append("\n".join(lines) + "\n")
    return "\n".join(stanzas)
