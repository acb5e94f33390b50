"""The running server: unit, environment, key, service."""

from __future__ import annotations

from onecard import layout
from onecard.facts import Facts
from onecard.host import Host
from onecard.resources.base import Resource
from onecard.resources.files import File
from onecard.resources.secret_file import SecretFile
from onecard.resources.service import Service, configuration
from onecard.templates import render
from roles import model


def served_name(host: Host) -> str:
    """Return the name that the API serves the model under."""
    local = model.local(host)
    return host.settings.model.name or (local.name if local else host.settings.model.source)


def command(host: Host) -> tuple[str, ...]:
    """Return the server's command line, word by word."""
    serve = host.settings.serve
    words = [
        f"{host.venv}/bin/vllm",
        "serve",
        model.folder(host),
        *("--served-model-name", served_name(host)),
        *("--host", serve.address, "--port", str(serve.port)),
        *("--max-model-len", str(serve.ctx)),
    ]
    if serve.kv_cache_gib is not None:
        words += ["--kv-cache-memory-bytes", str(int(serve.kv_cache_gib * 2**30))]
    elif host.settings.accelerator == "nvidia":
        words += ["--gpu-memory-utilization", str(serve.gpu_memory_utilization)]
    if serve.tensor_parallel > 1:
        words += ["--tensor-parallel-size", str(serve.tensor_parallel)]
    if serve.max_num_seqs is not None:
        words += ["--max-num-seqs", str(serve.max_num_seqs)]
    if serve.max_num_batched_tokens is not None:
        words += ["--max-num-batched-tokens", str(serve.max_num_batched_tokens)]
    if serve.reasoning_parser:
        words += ["--reasoning-parser", serve.reasoning_parser]
    if serve.enforce_eager:
        words.append("--enforce-eager")
    return (*words, *serve.extra_args)


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the files and the service; the service restarts when its files' content moved."""
    variables = {
        "served_name": served_name(host),
        "ctx": host.settings.serve.ctx,
        "user": host.settings.user,
        "command": command(host),
        "path": layout.server_path(host.venv),
        "cache": layout.CACHE,
        "environment_file": layout.ENVIRONMENT,
        "api_key_file": layout.API_KEY,
    }
    environment = File(layout.ENVIRONMENT, render("vllm.env.j2", variables), mode=0o600)
    # The unit's own share of the fingerprint is taken before the fingerprint is put into the unit.
    # The model's files count too: a server goes on with the weights that it has read.
    blank = render("vllm.service.j2", {**variables, "configuration": ""})
    files = [str(sorted(resource.desired().items())) for resource in model.desired(host, facts)]
    fingerprint = configuration(environment.content, blank, *files)
    unit = File(
        layout.UNIT_FILE,
        render("vllm.service.j2", {**variables, "configuration": fingerprint}),
        after="systemctl daemon-reload",
    )
    key = SecretFile(layout.API_KEY, variable="VLLM_API_KEY")
    return environment, key, unit, Service(layout.UNIT, configuration=fingerprint)
