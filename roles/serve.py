"""The running server: unit, environment, key, service."""

from __future__ import annotations

import json
from typing import Any

from onecard import served_model
from onecard.api.address import in_url, reached_at
from onecard.api.client import chat_request
from onecard.box import paths
from onecard.errors import PreflightError
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.resources.base import Resource
from onecard.resources.files.file import Directory, File
from onecard.resources.files.secret_file import SecretFile
from onecard.resources.system.release import Installed, Release, Served
from onecard.resources.system.service import Service, UnitFile, configuration
from onecard.served_model import served_name
from onecard.server import command_line
from onecard.settings.serve_settings import ServeSettings
from onecard.settings.setting_model import AUTO
from onecard.smoke.questions import questions
from onecard.templates.render import render
from roles import driver, model, services


def command(host: Host) -> tuple[str, ...]:
    """Return the server's command line, word by word. Raises UsageError for a bad setting."""
    return (f"{host.venv}/bin/vllm", "serve", served_model.folder(host), *options(host))


def options(host: Host) -> tuple[str, ...]:
    """Return the words after the model. Raises UsageError for a bad setting."""
    serve = host.settings.serve
    words = [
        *("--served-model-name", served_name(host)),
        *("--host", serve.address, "--port", str(serve.port)),
        *("--max-model-len", str(serve.ctx)),
        # Also with a KV cache of a fixed size: on a GPU vLLM starts only where this share is free.
        *("--gpu-memory-utilization", str(serve.gpu_memory_utilization)),
    ]
    if serve.kv_cache_gib is not None:
        words += ["--kv-cache-memory-bytes", str(int(serve.kv_cache_gib * 2**30))]
    if serve.tensor_parallel not in (AUTO, 1):
        words += ["--tensor-parallel-size", str(serve.tensor_parallel)]
    if host.settings.cluster.head:
        words += ["--distributed-executor-backend", "ray"]
    return (*words, *command_line.words(serve, host.settings.model.source))


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the record, the files and the server, which restarts when their content moved.

    host: with its decisions made (onecard.fit.on_host.settle).
    """
    serve = host.settings.serve
    variables = {
        "served_name": served_name(host),
        "ctx": serve.ctx,
        "user": host.settings.user,
        "accelerator": host.settings.accelerator,
        "memory_share": serve.gpu_memory_utilization,
        "cards": cards(host),
        "engine_timeout": engine_timeout(serve),
        "command": command(host),
        "path": paths.server_path(host.venv),
        "cache": paths.CACHE,
        "environment": sorted({**server_environment(host, facts), **_of_ray(host)}.items()),
        "environment_file": paths.ENVIRONMENT,
        "ray_unit": paths.RAY_UNIT if host.settings.cluster.head else "",
        "ray_token": paths.RAY_TOKEN,
        "api_key_file": paths.API_KEY,
        "wait_for_memory": paths.WAIT_FOR_MEMORY,
    }
    environment = File(paths.ENVIRONMENT, render("vllm.env.j2", variables), mode=0o600)
    # The fingerprint covers the unit as it is without the fingerprint, and the model's files: a
    # server goes on with the weights that it has loaded.
    blank = render("vllm.service.j2", {**variables, "configuration": ""})
    files = [str(sorted(resource.desired().items())) for resource in model.content(host)]
    fingerprint = configuration(environment.content, blank, *files)
    unit = UnitFile(
        paths.UNIT, render("vllm.service.j2", {**variables, "configuration": fingerprint})
    )
    record = Release(
        fingerprint,
        (
            (paths.UNIT, unit.content),
            ("vllm.env", environment.content),
            ("question.json", json.dumps(startup_request(host))),
            ("about.json", json.dumps(about(host))),
        ),
        host.venv,
    )
    key = api_key(host)
    service = Service(paths.UNIT, configuration=fingerprint, secret=key)
    return (
        Directory(paths.RELEASES, mode=0o700),
        *services.programs(),
        record,
        environment,
        key,
        unit,
        Served(service, deadline_s=serve.ready_timeout, back=serve.rollback),
    )


def server_environment(host: Host, facts: Facts) -> dict[str, str]:
    """Return the settings' variables, and those that the build and a limited box need."""
    found = dict(host.settings.serve.environment)
    name = "LD_LIBRARY_PATH"
    folders = [each for each in (driver.libraries(host, facts), found.get(name, "")) if each]
    if folders:
        found[name] = ":".join(folders)
    if facts.memory.cpu_limit is not None:
        # FlashInfer and PyTorch compile with a job for each of the machine's processors, more than
        # this box's memory holds (flashinfer/jit/cpp_ext.py, torch/utils/cpp_extension.py).
        found.setdefault("MAX_JOBS", str(facts.memory.cpus))
    if host.settings.cluster.head:
        found = {**cluster_network(host, facts), **found}
    return found


def cluster_network(host: Host, facts: Facts) -> dict[str, str]:
    """Return the variables that keep vLLM, Gloo and NCCL on the network between the boxes.

    Raises PreflightError where the box does not have its address there.
    """
    address, known = host.settings.cluster.address, facts.network.addresses
    if address not in known:
        has = ", ".join(f"{each} on {name}" for each, name in known.items() if name != "lo")
        raise PreflightError(
            f"{host.name}: cluster.address {address or 'is not set, and'} is none of the box's "
            f"addresses ({has or 'none is known'}); set it to the one on the network between the "
            "boxes"
        )
    interface = known[address]
    return {
        "VLLM_HOST_IP": address,
        "GLOO_SOCKET_IFNAME": interface,
        "NCCL_SOCKET_IFNAME": interface,
    }


def _of_ray(host: Host) -> dict[str, str]:
    """Return what the server needs to find Ray on its own box; its token is in a file."""
    wanted = host.settings.cluster
    if not wanted.head:
        return {}
    return {
        "RAY_ADDRESS": f"{in_url(wanted.address)}:{wanted.port}",
        "RAY_AUTH_MODE": "token",
        # With the list of what vLLM does not copy to the other boxes: the API key above all.
        "VLLM_CONFIG_ROOT": paths.RAY,
    }


def cards(host: Host) -> str:
    """Return the cards that a settled host's server uses, as for `nvidia-smi -i`: `0,1`."""
    serve = host.settings.serve
    assert serve.tensor_parallel != AUTO
    count = serve.tensor_parallel * host.settings.stages_here
    visible = serve.visible_cards
    return ",".join(map(str, range(count)) if visible is None else visible[:count])


def engine_timeout(serve: ServeSettings) -> int:
    """Return vLLM's own timeout of a start, in seconds.

    Not less than the default: a shorter ready_timeout is only onecard's, and changing it does not
    restart the server.
    """
    return max(serve.ready_timeout, ServeSettings().ready_timeout)


def restored(host: Host, release: int, fingerprint: str) -> tuple[Resource, ...]:
    """Return the resources that restore an earlier release."""
    key = api_key(host)
    service = Service(paths.UNIT, configuration=fingerprint, secret=key)
    serve = host.settings.serve
    return (
        *services.programs(),
        Installed(release),
        key,
        Served(service, deadline_s=serve.ready_timeout, back=serve.rollback, number=release),
    )


def api_key(host: Host) -> SecretFile:
    """Return the file with the server's key."""
    return SecretFile(paths.API_KEY, variable="VLLM_API_KEY", value=host.api_key)


def startup_request(host: Host) -> dict[str, Any]:
    """Return the request of the startup check, which the box sends to its server."""
    serve, name = host.settings.serve, served_name(host)
    case = questions(name).cases[0]
    picture = not serve.language_model_only
    return {
        "url": f"http://{in_url(reached_at(serve.address))}:{serve.port}",
        "model": name,
        "body": chat_request(
            name,
            case.messages(picture=picture),
            max_tokens=case.max_tokens,
            thinking=case.thinking,
        ),
    }


def about(host: Host) -> dict[str, Any]:
    """Return what `invoke releases` shows of a release."""
    settings = host.settings
    return {
        "model": served_name(host),
        "source": settings.model.source,
        "revision": served_model.revision(host),
        "folder": served_model.folder(host),
        "ctx": settings.serve.ctx,
        "port": settings.serve.port,
        "command": list(command(host)),
    }
