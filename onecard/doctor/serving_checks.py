"""Checks of what a server with several processes needs of the box. Each: facts, settings -> Check.

vLLM's processes exchange messages in a ring in /dev/shm: ten chunks of VLLM_MQ_MAX_CHUNK_BYTES_MB
(16 MiB), what is larger goes through a socket (vllm/distributed/device_communicators/
shm_broadcast.py, vllm/v1/executor/multiproc_executor.py). With one card there is no ring. NCCL
takes some 10 MiB for each pair of cards without peer access, and advises 1 GiB (NCCL,
"Troubleshooting", Shared memory). Pages are taken when they are written, so too small a /dev/shm
ends a running server with SIGBUS.
"""

from __future__ import annotations

from onecard.doctor.check import Check
from onecard.facts.model import Facts
from onecard.settings.setting_model import AUTO
from onecard.settings.settings import Settings

_SEVERAL_CARDS_GIB = 1.0
_CACHE_GIB = 4.0  # vLLM's default of --mm-processor-cache-gb
_WITHOUT = ("NCCL_SHM_DISABLE", "VLLM_MQ_MAX_CHUNK_BYTES_MB")


def workers(facts: Facts, settings: Settings) -> int:
    """Return how many processes compute, one for each card that the server uses."""
    serve = settings.serve
    parallel = serve.tensor_parallel
    if parallel != AUTO:
        return parallel * serve.pipeline_parallel
    return max(1, len(facts.gpus))


def shared_memory(facts: Facts, settings: Settings) -> Check:
    """Check the size of /dev/shm, through which several processes communicate."""
    shm, serve = facts.memory.shm_gib, settings.serve
    if shm is None:
        return Check("shared memory", "ok", "absent")
    reasons = []
    if workers(facts, settings) > 1 and not set(_WITHOUT) <= set(serve.environment):
        reasons.append((_SEVERAL_CARDS_GIB, "a server on several cards"))
    if serve.mm_processor_cache_type == "shm":
        cache = serve.mm_processor_cache_gib
        needed = _CACHE_GIB if cache is None else float(cache)
        reasons.append((needed, "mm_processor_cache_type shm"))
    needed = sum(gib for gib, _ in reasons)
    if shm >= needed:
        return Check("shared memory", "ok", f"{shm:.2f} GiB")
    why = " and ".join(reason for _, reason in reasons)
    return Check(
        "shared memory",
        "warning",
        f"/dev/shm has {shm:.2f} GiB, {why} needs {needed:g}",  # noqa: S108 - a message
        _more_shared_memory(facts, settings),
        "NCCL, Troubleshooting; vLLM, Using Docker",
    )


def _more_shared_memory(facts: Facts, settings: Settings) -> str:
    """Return what gives a server more of it, or lets it need less."""
    capabilities = facts.machine.capabilities
    may_mount = not facts.machine.container.kind or "SYS_ADMIN" in (capabilities or ())
    fix = (
        "mount -o remount,size=8G /dev/shm"
        if may_mount
        else "create the pod with --shm-size=8g (a docker option of its template)"
    )
    if settings.serve.mm_processor_cache_type == "shm":
        return f"{fix}, or set serve.mm_processor_cache_type: lru"
    less = ", ".join(f'{name}: "1"' for name in _WITHOUT)
    return f"{fix}, or set serve.environment: {{{less}}}, which is slower"


def processors(facts: Facts, settings: Settings) -> Check:
    """Check that each of the server's processes has a processor: 2 and one for each card."""
    needed = 2 + workers(facts, settings)
    have = facts.memory.cpus
    limited = f" of the machine's {facts.memory.host_cpus}" if have < facts.memory.host_cpus else ""
    if settings.accelerator == "cpu" or have >= needed:
        return Check("processors", "ok", f"{have}{limited}")
    return Check(
        "processors",
        "warning",
        f"{have}{limited}, {needed} needed: the card waits for them",
        "choose a box with more, or fewer cards",
        "vLLM, Optimization and Tuning: CPU Resources for GPU Deployments",
    )


SERVING = (shared_memory, processors)
