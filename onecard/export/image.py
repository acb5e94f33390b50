"""The image of a locked vLLM, as vLLM tags them.

Releases: docs.vllm.ai, getting_started/installation, and vLLM's publish-release-images.sh: the
plain tag is CUDA 13 (before 0.18 CUDA 12), `-cu129` CUDA 12.9. Commits: push-nightly-builds.sh,
where a variant's name stands first; only the commits of nightly builds have an image, and Docker
Hub keeps the last 14 of the plain ones (cleanup-nightly-builds.sh).
"""

from __future__ import annotations

from typing import Final

from onecard.inventory.lock import Lock

_NVIDIA: Final = "vllm/vllm-openai"
_CPU: Final = "vllm/vllm-openai-cpu"
_VARIANT: Final = "cu129"


def image(lock: Lock) -> str:
    """Return the image of the lock's vLLM, with its tag."""
    repository = _CPU if lock.cuda == "cpu" else _NVIDIA
    variant = lock.cuda == _VARIANT
    if lock.commit:
        return f"{repository}:{f'{_VARIANT}-' if variant else ''}nightly-{lock.commit}"
    version = lock.vllm.partition("+")[0]
    return f"{repository}:v{version}{f'-{_VARIANT}' if variant else ''}"
