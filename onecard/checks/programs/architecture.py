"""Check that a model's architecture is in this vLLM's registry. argv: the model's config.json.

The registry's source is read, not run: that takes milliseconds, importing vLLM seconds.
"""

import json
import re
import sys
from importlib.machinery import PathFinder  # importlib.util and pathlib take as long as the check

# A table as vLLM's formatter leaves it, and a key of it.
TABLE = re.compile(r"^(\w+_MODELS)\b[^=\n]*= \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
KEY = re.compile(r'^    "(\w+)":', re.MULTILINE)


def read_text(path):
    """Return the text of a file."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        return file.read()


def registered(source, wanted):
    """Return the architectures in the tables, parsed where none that is wanted is seen."""
    tables = (match for match in TABLE.finditer(source) if "PREVIOUSLY" not in match[1])
    names = {key for match in tables for key in KEY.findall(match[2])}
    return names if any(name in names for name in wanted) else parsed(source)


def parsed(source):
    """Return every architecture in the registry's tables, however they are written."""
    import ast

    names = set()
    for node in ast.parse(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        named = [target.id for target in targets if isinstance(target, ast.Name)]
        value = getattr(node, "value", None)
        if any("PREVIOUSLY" in name for name in named) or not isinstance(value, ast.Dict):
            continue
        if any(name.endswith("_MODELS") for name in named):
            names |= {key.value for key in value.keys if isinstance(key, ast.Constant)}
    return names


def trouble():
    """Return what is wrong in one line, empty if nothing is."""
    config = sys.argv[1]
    try:
        wanted = json.loads(read_text(config)).get("architectures") or []
    except (OSError, ValueError, AttributeError) as error:
        return f"{config} cannot be read: {error}"
    print(f"architectures={' '.join(map(str, wanted))}")
    if not wanted:
        return f"{config} names no architecture"
    found = PathFinder.find_spec("vllm")
    if found is None or not found.submodule_search_locations:
        return "vLLM is not installed in this environment"
    models = f"{found.submodule_search_locations[0]}/model_executor/models"
    known = registered(read_text(f"{models}/registry.py"), wanted)
    print(f"registered={len(known)}")
    if not known:
        from vllm.model_executor.models import ModelRegistry

        known = set(ModelRegistry.get_supported_archs())
    if any(name in known for name in wanted):
        return ""
    return f"this vLLM does not know {', '.join(map(str, wanted))}"


message = " ".join(trouble().split())
print(f"trouble={message}" if message else "passed=yes")
sys.exit(bool(message))
