"""The virtual environment, and the proof that a C file that includes Python.h compiles with it."""

from __future__ import annotations

from onecard import layout
from onecard.facts import Facts
from onecard.host import Host
from onecard.resources.base import Resource
from onecard.resources.python import PythonHeader, Venv


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the environment that everything else is installed in."""
    interpreter = host.settings.python.interpreter
    return Venv(layout.VENV, interpreter=interpreter), PythonHeader(layout.VENV)
