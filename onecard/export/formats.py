"""The formats: what is written, under which name, and what to do with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from onecard.export.compose import compose
from onecard.export.container import ContainerServer
from onecard.export.kubernetes import kubernetes
from onecard.export.quadlet import quadlet

_NEW_VALUE: Final = "openssl rand -hex 32 | tr -d '\\n'"


@dataclass(frozen=True)
class Format:
    """One engine's file.

    ending: of its name, which begins with the server's. store: stores a secret from standard
    input; SECRET stands for its name. start: starts the server; FILE stands for the file's name,
    NAME for the server's.
    """

    text: Callable[[ContainerServer], str]
    ending: str
    store: str
    start: str

    def file_name(self, server: ContainerServer) -> str:
        """Return a name that the engine takes."""
        return server.name + self.ending

    def document(self, server: ContainerServer, host: str) -> str:
        """Return the file's text, with the steps before a start as comments."""
        steps = [f"Written by `onecard export` from the settings and the lock of {host}."]
        steps.append(
            "Each secret is stored once; the API key is one of your choice, such as a new one:"
        )
        for variable, name in server.secrets.items():
            value = (
                _NEW_VALUE if variable == "VLLM_API_KEY" else f"printenv {variable} | tr -d '\\n'"
            )
            steps.append(f"    {value} | {self.store.replace('SECRET', name)}")
        start = self.start.replace("FILE", self.file_name(server)).replace("NAME", server.name)
        steps.append(f"Then: {start}")
        return "".join(f"# {line}\n" for line in steps) + self.text(server)


FORMATS: Final = {
    "compose": Format(
        compose,
        ".compose.yaml",
        "(umask 077; cat > ./SECRET)",
        "docker compose -f FILE up -d",
    ),
    "quadlet": Format(
        quadlet,
        ".container",
        "podman secret create SECRET -",
        "as /etc/containers/systemd/FILE: systemctl daemon-reload && systemctl start NAME; "
        "unqualified-search-registries of registries.conf(5) says where the image is",
    ),
    "k8s": Format(
        kubernetes,
        ".yaml",
        "kubectl create secret generic SECRET --from-file=value=/dev/stdin",
        "kubectl apply -f FILE",
    ),
}
