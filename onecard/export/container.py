"""A host's server as a container, before it is written for an engine. No connection.

The words of the command are those of the unit (roles/serve.py); what differs is what a container
has of its own: image, address, caches, and cards that it numbers from 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from onecard import served_model
from onecard.api.address import in_url
from onecard.errors import UsageError
from onecard.export.image import image
from onecard.facts import Facts
from onecard.fit.on_host import settle
from onecard.inventory.host import Host
from onecard.settings.setting_model import AUTO
from onecard.settings.settings import HUB
from roles import driver, serve

EVERY_ADDRESS: Final = "0.0.0.0"  # noqa: S104  # inside the container; `address` is published
HEALTH_EVERY_S: Final = 10
# The most that shared memory may take, of which only what is used counts. vLLM's processes share
# data through it, which the usual 64 MiB do not hold (docs.vllm.ai, deployment/docker).
SHM_GIB: Final = 16
# Volume -> where the image has it. Without the second every new container compiles again.
CACHES: Final = {
    "onecard-huggingface": "/root/.cache/huggingface",
    "onecard-vllm": "/root/.cache/vllm",
}
CARDS_VARIABLE: Final = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class ContainerServer:
    """What each engine has to know of the server.

    name: a DNS label. arguments: the words after the image, whose entry point is `vllm serve`.
    cards: the host's cards, as for `nvidia-smi -i`; empty on a CPU.
    address, port: where the host publishes it. folder: of a model that is mounted; else empty.
    secrets: variable -> name of the secret that holds its value. ready_s: seconds that a start may
    take, at most.
    """

    name: str
    image: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    cards: tuple[str, ...]
    address: str
    port: int
    folder: str
    secrets: dict[str, str]
    ready_s: int

    @property
    def published(self) -> str:
        """Return `address:port:port`: where the host publishes it, and its port inside."""
        return f"{in_url(self.address)}:{self.port}:{self.port}"

    @property
    def health_url(self) -> str:
        """Return the address of the health check, inside the container."""
        return f"http://127.0.0.1:{self.port}/health"


def container_server(host: Host, facts: Facts | None, *, token: bool) -> ContainerServer:
    """Return a host's server as a container.

    facts: those of the last run on the host, or None. token: there is one for the hub.
    Raises UsageError for a host without a lock, and where the number of cards is not known.
    """
    lock = host.lock
    if lock is None:
        raise UsageError(
            f"{host.name}: it has no lock yet, so which vLLM it runs is not known; run: "
            f"invoke provision --host {host.name}"
        )
    host = _with_cards(host, facts)
    settings = host.settings.serve
    local = served_model.local(host) is not None
    model = served_model.folder(host) if local else host.settings.model.source
    revision = "" if local else served_model.revision(host)
    name = _label(host.name)
    secrets = {"VLLM_API_KEY": f"{name}-api-key"}
    return ContainerServer(
        name,
        image(lock),
        (
            model,
            *(("--revision", revision) if revision else ()),
            *serve.options(_inside(host)),
        ),
        _environment(host, facts),
        () if host.settings.accelerator == "cpu" else tuple(serve.cards(host).split(",")),
        settings.address,
        settings.port,
        model if local else "",
        secrets | ({"HF_TOKEN": f"{name}-hf-token"} if token and not local else {}),
        settings.ready_timeout,
    )


def _with_cards(host: Host, facts: Facts | None) -> Host:
    """Return the host with the number of its cards decided, as a deploy decides it."""
    cpu = host.settings.accelerator == "cpu"
    if facts is not None and (cpu or facts.gpus):
        return settle(host, facts).host
    count = host.settings.serve.tensor_parallel
    if count == AUTO and not cpu:
        raise UsageError(
            f"{host.name}: serve.tensor_parallel is auto, and no run on this computer has seen the "
            "host's cards; run provision first, or say how many: --set serve.tensor_parallel=1"
        )
    return _serving(host, tensor_parallel=1 if count == AUTO else count)


def _inside(host: Host) -> Host:
    """Return the host as its server is inside a container, where it listens on every address."""
    return _serving(host, address=EVERY_ADDRESS)


def _serving(host: Host, **values: object) -> Host:
    serving = host.settings.serve.model_copy(update=values)
    return replace(host, settings=host.settings.model_copy(update={"serve": serving}))


def _environment(host: Host, facts: Facts | None) -> dict[str, str]:
    """Return the variables of the unit that mean the same in the image."""
    settings = host.settings
    found = {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_ENGINE_READY_TIMEOUT_S": str(serve.engine_timeout(settings.serve)),
        **settings.serve.environment,
    }
    # The container has only the requested cards, and numbers them from 0.
    found.pop(CARDS_VARIABLE, None)
    if settings.hub.url != HUB:
        found["HF_ENDPOINT"] = settings.hub.url
    if served_model.local(host) is not None:
        found["HF_HUB_OFFLINE"] = "1"
    if facts is not None and driver.libraries(host, facts):
        # The image has NVIDIA's package that runs a later CUDA on this driver.
        found["VLLM_ENABLE_CUDA_COMPATIBILITY"] = "1"
    return dict(sorted(found.items()))


def _label(name: str) -> str:
    """Return a name that each engine takes: a DNS label, which Kubernetes limits to 63 letters."""
    return "vllm-" + re.sub(r"[^a-z0-9]+", "-", name.lower())[:40].strip("-")
