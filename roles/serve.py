"""The running server: unit, environment, key, service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import onecard
from onecard import layout, serve_options
from onecard.address import in_url, reached_at
from onecard.facts import Facts
from onecard.host import Host
from onecard.host_fit import settled
from onecard.questions import questions
from onecard.resources.base import Resource
from onecard.resources.files import Directory, File
from onecard.resources.release import Installed, Release, Served
from onecard.resources.secret_file import SecretFile
from onecard.resources.service import Service, configuration
from onecard.resources.text_files import TextFiles
from onecard.settings import AUTO, ServeSettings
from onecard.smoke.client import chat
from onecard.templates import render
from roles import model

PACKAGE: Final = Path(onecard.__file__).parent
BOX_SOURCES: Final = ("__init__.py", "layout.py", "whole_file.py", "box/*.py")


def served_name(host: Host) -> str:
    """Return the name that the API serves the model under."""
    local = model.local(host)
    return host.settings.model.name or (local.name if local else host.settings.model.source)


def command(host: Host) -> tuple[str, ...]:
    """Return the server's command line, word by word. Raises UsageError for a bad setting."""
    serve = host.settings.serve
    words = [
        f"{host.venv}/bin/vllm",
        "serve",
        model.folder(host),
        *("--served-model-name", served_name(host)),
        *("--host", serve.address, "--port", str(serve.port)),
        *("--max-model-len", str(serve.ctx)),
        # With a KV cache of a fixed size too: on a GPU vLLM starts only where this share is free.
        *("--gpu-memory-utilization", str(serve.gpu_memory_utilization)),
    ]
    if serve.kv_cache_gib is not None:
        words += ["--kv-cache-memory-bytes", str(int(serve.kv_cache_gib * 2**30))]
    if serve.tensor_parallel not in (AUTO, 1):
        words += ["--tensor-parallel-size", str(serve.tensor_parallel)]
    return (*words, *serve_options.words(serve, host.settings.model.source))


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the record, the files and the server, which restarts when their content moved."""
    host = settled(host, facts)
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
        "path": layout.server_path(host.venv),
        "cache": layout.CACHE,
        "environment": sorted(serve.environment.items()),
        "environment_file": layout.ENVIRONMENT,
        "api_key_file": layout.API_KEY,
        "wait_for_memory": layout.WAIT_FOR_MEMORY,
    }
    environment = File(layout.ENVIRONMENT, render("vllm.env.j2", variables), mode=0o600)
    # The unit's own share of the fingerprint is taken before the fingerprint is put into the unit.
    # The model's files count too: a server goes on with the weights that it has read.
    blank = render("vllm.service.j2", {**variables, "configuration": ""})
    files = [str(sorted(resource.desired().items())) for resource in model.content(host)]
    fingerprint = configuration(environment.content, blank, *files)
    unit = File(
        layout.UNIT_FILE,
        render("vllm.service.j2", {**variables, "configuration": fingerprint}),
        after="systemctl daemon-reload",
    )
    record = Release(
        fingerprint,
        (
            (layout.UNIT, unit.content),
            ("vllm.env", environment.content),
            ("question.json", json.dumps(question(host))),
            ("about.json", json.dumps(about(host))),
        ),
        host.venv,
    )
    key = api_key(host)
    service = Service(layout.UNIT, configuration=fingerprint, secret=key)
    return (
        Directory(layout.RELEASES, mode=0o700),
        *programs(),
        record,
        environment,
        key,
        unit,
        Served(service, deadline_s=serve.ready_timeout, back=serve.rollback),
    )


def cards(host: Host) -> str:
    """Return the cards that a settled host's server takes, as `nvidia-smi -i` wants them: `0,1`."""
    serve = host.settings.serve
    assert serve.tensor_parallel != AUTO
    count = serve.tensor_parallel * serve.pipeline_parallel
    there = serve.visible_cards
    return ",".join(map(str, range(count)) if there is None else there[:count])


def engine_timeout(serve: ServeSettings) -> int:
    """Return the seconds after which vLLM itself gives a start up.

    Not less than the default: a shorter ready_timeout is onecard's alone, and changing it restarts
    no server.
    """
    return max(serve.ready_timeout, ServeSettings().ready_timeout)


def again(host: Host, release: int, fingerprint: str) -> tuple[Resource, ...]:
    """Return what puts an earlier release back in force."""
    key = api_key(host)
    service = Service(layout.UNIT, configuration=fingerprint, secret=key)
    serve = host.settings.serve
    return (
        *programs(),
        Installed(release),
        key,
        Served(service, deadline_s=serve.ready_timeout, back=serve.rollback, number=release),
    )


def api_key(host: Host) -> SecretFile:
    """Return the file with the server's key."""
    return SecretFile(layout.API_KEY, variable="VLLM_API_KEY", value=host.api_key)


def programs() -> tuple[Resource, ...]:
    """Return what of onecard runs on the box, in the same packages as here."""
    sources = [path for name in BOX_SOURCES for path in sorted(PACKAGE.glob(name))]
    files = tuple((f"onecard/{path.relative_to(PACKAGE)}", path.read_text()) for path in sources)
    waiter = PACKAGE / "box" / "wait-for-memory.sh"
    return (
        TextFiles(layout.PROGRAMS, files),
        File(layout.WAIT_FOR_MEMORY, waiter.read_text(), mode=0o755),
    )


def question(host: Host) -> dict[str, Any]:
    """Return what the box asks its server to see whether it answers."""
    serve, name = host.settings.serve, served_name(host)
    case = questions(name).cases[0]
    picture = not serve.language_model_only
    return {
        "url": f"http://{in_url(reached_at(serve.address))}:{serve.port}",
        "model": name,
        "body": chat(
            name,
            case.messages(picture=picture),
            max_tokens=case.max_tokens,
            thinking=case.thinking,
        ),
    }


def about(host: Host) -> dict[str, Any]:
    """Return what `invoke releases` tells of a release."""
    settings = host.settings
    return {
        "model": served_name(host),
        "source": settings.model.source,
        "revision": model.revision(host),
        "folder": model.folder(host),
        "ctx": settings.serve.ctx,
        "port": settings.serve.port,
        "command": list(command(host)),
    }
