"""The controller's settings for its boxes: release, apt, pip, certificates, proxies."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from onecard.errors import SandboxError
from onecard.sandbox.common import pip_settings
from onecard.sandbox.common.sources import Source, parse_deb822, parse_list, vendor_sources
from onecard.sandbox.common.system import run

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

_CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
_PROXY_VARIABLES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
_APT_SETTING = re.compile(
    r"^Acquire::("
    r"https?::.*|ftp::Proxy.*|.*::Timeout|Retries|Check-Valid-Until|Check-Date|ForceIPv[46]"
    r"|Languages.*|IndexTargets::deb::[^:]+::DefaultEnabled"
    r") "
)
_APT_NOT_COPIED = ("Proxy-Auto-Detect", "ProxyAutoDetect", "::User-Agent")


@dataclass(frozen=True)
class Controller:
    """The settings of this computer that its boxes share.

    architecture: Debian's name for it. apt_settings: lines of an apt.conf. bundle: PEM text.
    environment: variables for every session in the box. files: further files, path -> bytes.
    binds: folders that boxes read at the same path.
    """

    distribution: str
    codename: str
    architecture: str
    sources: tuple[Source, ...]
    apt_settings: str
    pip_conf: str
    bundle: str
    environment: Mapping[str, str]
    files: Mapping[str, bytes]
    binds: tuple[Path, ...]


def read_controller() -> Controller:
    """Read the settings of this computer. Raises SandboxError unless it is Debian or Ubuntu."""
    distribution, codename = parse_release(Path("/etc/os-release").read_text())
    sources = vendor_sources(_all_sources(Path("/etc/apt")), codename)
    apt_settings = apt_lines(run(["apt-config", "dump"]))
    options = pip_settings.parse_config_list(
        run([sys.executable, "-m", "pip", "config", "list"], extra={"PYTHONWARNINGS": "ignore"})
    )
    bundle = _bundle([Path(BUNDLE), *_certificate_files(options)])
    options = {name: (BUNDLE if name[1] == "cert" else value) for name, value in options.items()}
    return Controller(
        distribution=distribution,
        codename=codename,
        architecture=run(["dpkg", "--print-architecture"]).strip(),
        sources=tuple(sources),
        apt_settings=apt_settings,
        pip_conf=pip_settings.config_text(options),
        bundle=bundle,
        environment=carried_environment(os.environ),
        files=_named_files(sources, apt_settings),
        binds=tuple(
            pip_settings.outermost(
                [
                    *pip_settings.local_folders(options),
                    *(Path(f) for source in sources for f in source.folders if Path(f).is_dir()),
                ]
            )
        ),
    )


def parse_release(text: str) -> tuple[str, str]:
    """Return (`debian` or `ubuntu`, codename) from os-release(5). Raises SandboxError."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    fields = {key: value.strip("\"'") for key, _, value in pairs}
    distribution, codename = fields.get("ID", ""), fields.get("VERSION_CODENAME", "")
    if distribution not in ("debian", "ubuntu") or not codename:
        raise SandboxError(
            f"the sandbox needs Debian or Ubuntu on this computer, not {distribution or 'unknown'}"
        )
    return distribution, codename


def _all_sources(apt: Path) -> list[Source]:
    lists = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    found = [source for path in lists if path.is_file() for source in parse_list(path.read_text())]
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        found += parse_deb822(path.read_text())
    return found


def apt_lines(dump: str) -> str:
    """Return the lines of `apt-config dump` about how archives are reached and verified."""
    lines = [
        line
        for line in dump.splitlines()
        if _APT_SETTING.match(line)
        and not line.endswith(' "";')
        and not any(word in line for word in _APT_NOT_COPIED)
    ]
    return "".join(line + "\n" for line in lines)


def carried_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for a box: proxies unchanged, CA files as the box's own bundle."""
    carried = {name: BUNDLE for name in _CA_VARIABLES if environment.get(name)}
    for lower in _PROXY_VARIABLES:
        for name in (lower, lower.upper()):
            if environment.get(name):
                carried[name] = environment[name]
    return carried


def _certificate_files(options: pip_settings.Options) -> list[Path]:
    named = [os.environ.get(name, "") for name in _CA_VARIABLES]
    named += [value for (_, key), value in options.items() if key == "cert"]
    return [Path(name) for name in dict.fromkeys(named) if name]


def _bundle(paths: list[Path]) -> str:
    real = dict.fromkeys(path.resolve() for path in paths if path.is_file())
    return "\n".join(path.read_text(errors="replace") for path in real)


def _named_files(sources: list[Source], apt_settings: str) -> dict[str, bytes]:
    """Return keyrings, apt's credentials, and the files that apt's TLS settings name."""
    names = [source.keyring for source in sources]
    names += [name for name in re.findall(r'"(/[^"]+)"', apt_settings) if name != BUNDLE]
    names += ["/etc/apt/auth.conf", *map(str, sorted(Path("/etc/apt/auth.conf.d").glob("*.conf")))]
    found = {}
    for name in dict.fromkeys(names):
        with suppress(OSError):
            found[name] = Path(name).read_bytes()
    return found
