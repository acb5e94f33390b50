"""The server as Kubernetes objects: a claim for the caches, a deployment, a service."""

from __future__ import annotations

import math
from typing import Any, Final

import yaml

from onecard.export.container import CACHES, HEALTH_EVERY_S, SHM_GIB, ContainerServer

CACHE_GIB: Final = 200  # for the model's files and what is compiled; larger models need more
_SHM: Final = "shared-memory"
_CACHE: Final = "cache"
_MODEL: Final = "model"


def kubernetes(server: ContainerServer) -> str:
    """Return the objects as a stream of YAML documents."""
    documents = (_claim(server), _deployment(server), _service(server))
    return str(yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=1000))


def _metadata(server: ContainerServer) -> dict[str, Any]:
    return {"name": server.name, "labels": _labels(server)}


def _labels(server: ContainerServer) -> dict[str, str]:
    return {"app.kubernetes.io/name": "vllm", "app.kubernetes.io/instance": server.name}


def _claim(server: ContainerServer) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(server),
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": f"{CACHE_GIB}Gi"}},
        },
    }


def _deployment(server: ContainerServer) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(server),
        "spec": {
            "replicas": 1,
            # A second server beside the first would find no free card.
            "strategy": {"type": "Recreate"},
            # Until then the deployment is in progress; 600 s without this.
            "progressDeadlineSeconds": server.ready_s + 1800,
            "selector": {"matchLabels": _labels(server)},
            "template": {
                "metadata": {"labels": _labels(server)},
                "spec": {
                    # Kubernetes' own variables, such as VLLM_PORT for a service of the name vllm,
                    # would be taken for vLLM's (docs.vllm.ai, configuration/env_vars).
                    "enableServiceLinks": False,
                    "automountServiceAccountToken": False,
                    "terminationGracePeriodSeconds": 90,
                    "containers": [_container(server)],
                    "volumes": _volumes(server),
                },
            },
        },
    }


def _container(server: ContainerServer) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": "vllm",
        "image": server.image,
        "args": [_literal(word) for word in server.arguments],
        "env": _environment(server),
        "ports": [{"name": "http", "containerPort": server.port}],
        # The other probes begin when this one has succeeded once.
        "startupProbe": _probe(failures=math.ceil(server.ready_s / HEALTH_EVERY_S)),
        "livenessProbe": _probe(failures=3),
        "readinessProbe": _probe(failures=1),
        "securityContext": {"allowPrivilegeEscalation": False},
        "volumeMounts": _mounts(server),
    }
    if server.cards:
        # Which of a node's cards it gets is the device plugin's to decide.
        found["resources"] = {"limits": {"nvidia.com/gpu": len(server.cards)}}
    return found


def _environment(server: ContainerServer) -> list[dict[str, Any]]:
    plain = [{"name": name, "value": _literal(value)} for name, value in server.environment.items()]
    secret = [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": "value"}}}
        for variable, name in server.secrets.items()
    ]
    return [*plain, *secret]


def _probe(*, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": "/health", "port": "http"},
        "periodSeconds": HEALTH_EVERY_S,
        "timeoutSeconds": 10,
        "failureThreshold": failures,
    }


def _mounts(server: ContainerServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": _CACHE, "mountPath": place, "subPath": volume} for volume, place in CACHES.items()
    ]
    found.append({"name": _SHM, "mountPath": "/dev/shm"})  # noqa: S108
    if server.folder:
        found.append({"name": _MODEL, "mountPath": server.folder, "readOnly": True})
    return found


def _volumes(server: ContainerServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": _CACHE, "persistentVolumeClaim": {"claimName": server.name}},
        {"name": _SHM, "emptyDir": {"medium": "Memory", "sizeLimit": f"{SHM_GIB}Gi"}},
    ]
    if server.folder:
        path = {"path": server.folder, "type": "Directory"}
        found.append({"name": _MODEL, "hostPath": path})
    return found


def _service(server: ContainerServer) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(server),
        "spec": {
            "selector": _labels(server),
            "ports": [{"name": "http", "port": server.port, "targetPort": "http"}],
        },
    }


def _literal(text: str) -> str:
    """Return text in which Kubernetes expands no `$(NAME)`: of `$$` it makes `$`."""
    return text.replace("$", "$$")
