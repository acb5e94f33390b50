"""What a person who logs in to the box wants beside the server: clients and the hub's command."""

from __future__ import annotations

from onecard import layout
from onecard.facts import Facts
from onecard.host import Host
from onecard.resources.base import Resource
from onecard.resources.python import PythonPackages

PACKAGES = ("openai", "pillow", "transformers", "accelerate", "huggingface_hub")


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the client libraries, in whatever version the server's own requirements allow."""
    installer = "pip" if host.settings.accelerator == "cpu" else "uv"
    return (PythonPackages(layout.VENV, PACKAGES, installer=installer),)
