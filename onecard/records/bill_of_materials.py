"""What is installed on a box, as a CycloneDX 1.5 document (cyclonedx.org/docs/1.5/json)."""

from __future__ import annotations

import re
import shlex
from typing import Any, Final
from urllib.parse import quote

from onecard import __version__, served_model
from onecard.box import paths
from onecard.inventory.host import Host
from onecard.ssh.answer_lines import Lines
from onecard.ssh.shell import Session

# Names of folders give the versions of Python's packages in milliseconds.
_INSTALLED: Final = f"""
. /etc/os-release 2>/dev/null; echo "os=${{ID:-linux}}"
dpkg-query -W -f '${{db:Status-Status}}=${{Package}} ${{Version}} ${{Architecture}}\\n' 2>/dev/null
for folder in {paths.VENV}/lib/python3*/site-packages/*.dist-info; do
  if [ -d "$folder" ]; then echo "python=$(basename "$folder" .dist-info)"; fi
done
"""


def read_bill_of_materials(session: Session, host: Host) -> dict[str, Any]:
    """Return Debian's packages, the environment's and the model; one round trip."""
    return bill_of_materials(host, session.run(script(host)).output)


def script(host: Host) -> str:
    """Return shell that prints what is installed."""
    folder = shlex.quote(served_model.folder(host))
    return f"{_INSTALLED}if [ -d {folder} ]; then echo model=yes; fi\n"


def bill_of_materials(host: Host, output: str) -> dict[str, Any]:
    """Return the document of what the script printed."""
    found = Lines(output)
    packages = [_debian(found.one("os"), line) for line in found.all("installed")]
    packages += [_python(line) for line in found.all("python")]
    model = [_model(host)] if found.yes("model") else []
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "tools": {
                "components": [{"type": "application", "name": "onecard", "version": __version__}]
            },
            "component": {"type": "device", "name": host.name},
        },
        "components": [*packages, *model],
    }


def _debian(system: str, line: str) -> dict[str, str]:
    name, _, rest = line.partition(" ")
    version, _, architecture = rest.partition(" ")
    place = f"deb/{quote(system)}/{quote(name)}@{quote(version, safe=':')}"
    return _component("library", name, version, f"{place}?arch={quote(architecture)}")


def _python(line: str) -> dict[str, str]:
    name, _, version = line.rpartition("-")
    normalised = re.sub("[-_.]+", "-", name).lower()
    return _component("library", normalised, version, f"pypi/{quote(normalised)}@{quote(version)}")


def _model(host: Host) -> dict[str, str]:
    source, revision = host.settings.model.source, served_model.revision(host)
    if served_model.local(host) is not None:
        return {"type": "machine-learning-model", "name": served_model.folder(host)}
    place = f"huggingface/{quote(source)}@{quote(revision, safe='')}"
    return _component("machine-learning-model", source, revision, place)


def _component(kind: str, name: str, version: str, place: str) -> dict[str, str]:
    return {"type": kind, "name": name, "version": version, "purl": f"pkg:{place}"}
