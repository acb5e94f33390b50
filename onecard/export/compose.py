"""The server as a file of Docker Compose (compose-spec)."""

from __future__ import annotations

from typing import Any

import yaml

from onecard.export.container import CACHES, HEALTH_EVERY_S, SHM_GIB, ContainerServer


def compose(server: ContainerServer) -> str:
    """Return the file's text."""
    service: dict[str, Any] = {
        "image": server.image,
        "entrypoint": ["sh", "-c", _literal(_entry(server)), "vllm"],
        "command": [_literal(word) for word in server.arguments],
        "environment": {name: _literal(value) for name, value in server.environment.items()},
        "secrets": list(server.secrets.values()),
        "ports": [server.published],
        "volumes": _volumes(server),
        "shm_size": f"{SHM_GIB}gb",
        "ulimits": {"memlock": -1, "nofile": 1048576},
        "security_opt": ["no-new-privileges:true"],
        "restart": "always",
        "stop_grace_period": "90s",
        "healthcheck": {
            "test": ["CMD", "curl", "-fsS", server.health_url],
            "interval": f"{HEALTH_EVERY_S}s",
            "timeout": "10s",
            "retries": 3,
            "start_period": f"{server.ready_s}s",
        },
    }
    if server.cards:
        request = {
            "driver": "nvidia",
            "device_ids": list(server.cards),
            "capabilities": ["gpu"],
        }
        service["deploy"] = {"resources": {"reservations": {"devices": [request]}}}
    document = {
        "services": {server.name: service},
        "volumes": {volume: {} for volume in CACHES},
        "secrets": {name: {"file": f"./{name}"} for name in server.secrets.values()},
    }
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000))


def _entry(server: ContainerServer) -> str:
    """Return the program that gives the server its secrets, which Compose mounts as files.

    As variables in the file they would be readable with `docker inspect`.
    """
    given = " ".join(
        f'{variable}="$(cat /run/secrets/{name})"' for variable, name in server.secrets.items()
    )
    return f'{given} exec vllm serve "$@"'


def _volumes(server: ContainerServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"type": "volume", "source": volume, "target": place} for volume, place in CACHES.items()
    ]
    if server.folder:
        place = _literal(server.folder)
        found.append({"type": "bind", "source": place, "target": place, "read_only": True})
    return found


def _literal(text: str) -> str:
    """Return text in which Compose finds no variable (compose-spec, interpolation)."""
    return text.replace("$", "$$")
