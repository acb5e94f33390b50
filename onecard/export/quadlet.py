"""The server as a unit of Podman's Quadlet (podman-systemd.unit(5)).

Quadlet unquotes a value and writes it into ExecStart= of a service, where systemd resolves `%` and
`$` (podman, pkg/systemd/parser/split.go). So each value is quoted as a word of ExecStart= is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from onecard.errors import UsageError
from onecard.export.container import CACHES, HEALTH_EVERY_S, SHM_GIB, ContainerServer
from onecard.templates.quoting import unit_word, unit_words

# Volume= has no quoting, and `:` separates its parts.
_PLAIN_PATH: Final = re.compile(r"[\w/.@+=,~-]+")


def quadlet(server: ContainerServer) -> str:
    """Return the unit's text. Raises UsageError for a value that Quadlet cannot represent."""
    return "\n".join(
        [
            "[Unit]",
            f"Description=vLLM, as the container {server.name}",
            "",
            "[Container]",
            *(f"{key}={value}" for key, value in _container(server)),
            "",
            "[Service]",
            "Restart=always",
            "RestartSec=5",
            # The image of some 10 GB is pulled within the start; the health check watches the rest.
            f"TimeoutStartSec={server.ready_s}",
            "TimeoutStopSec=100",
            "",
            "[Install]",
            "WantedBy=multi-user.target default.target",
            "",
        ]
    )


def _container(server: ContainerServer) -> Iterable[tuple[str, str]]:
    yield "ContainerName", server.name
    yield "Image", server.image
    yield "Exec", unit_words(_words(server.arguments))
    for name, value in server.environment.items():
        yield "Environment", unit_word(f"{name}={value}")
    for variable, name in server.secrets.items():
        yield "Secret", f"{name},type=env,target={variable}"
    for card in server.cards:
        yield "AddDevice", f"nvidia.com/gpu={card}"
    yield "PublishPort", server.published
    for volume, place in CACHES.items():
        yield "Volume", f"{volume}:{place}"
    if server.folder:
        yield "Volume", f"{_path(server.folder)}:{server.folder}:ro"
    yield "ShmSize", f"{SHM_GIB}g"
    yield "Ulimit", "memlock=-1:-1"
    yield "Ulimit", "nofile=1048576:1048576"
    yield "NoNewPrivileges", "true"
    yield "PodmanArgs", "--stop-timeout=90"
    yield "HealthCmd", f"curl -fsS {server.health_url}"
    yield "HealthInterval", f"{HEALTH_EVERY_S}s"
    yield "HealthTimeout", "10s"
    yield "HealthRetries", "3"
    yield "HealthStartPeriod", f"{server.ready_s}s"
    # systemd then starts it again.
    yield "HealthOnFailure", "kill"


def _words(words: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse an empty word: Quadlet drops it, and all that follows it."""
    if "" in words:
        raise UsageError(
            "serve.extra_args: Quadlet drops an empty argument and what follows it; write it as "
            "one word, --flag="
        )
    return words


def _path(folder: str) -> str:
    if not _PLAIN_PATH.fullmatch(folder):
        raise UsageError(
            f"model.source: Quadlet cannot mount {folder}; give the folder a name of letters, "
            "digits, dots and dashes"
        )
    return folder
