"""uv as onecard calls it: with the indexes of its settings, else those that this box's pip has.

Runs under the python of the environment that uv is installed in. Written by onecard.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parent


def pip_options():
    """Return key -> value of pip's configuration, the environment's variables strongest."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in ("global", "install", ":env:"):
            found[section, key] = str(ast.literal_eval(value))
    order = ("global", "install", ":env:")
    return {key: found[section, key] for section in order for at, key in found if at == section}


def configuration(settings, pip):
    """Return the keys of a uv.toml."""
    if settings["wheels"]:
        return {"no-index": True, "find-links": [settings["wheels"]]}
    extra = settings["extra_urls"] or pip.get("extra-index-url", "").split()
    links = settings["find_links"] or pip.get("find-links", "").split()
    told = {
        "index-url": settings["url"] or pip.get("index-url"),
        "extra-index-url": extra,
        "find-links": links,
        "no-index": pip.get("no-index", "").lower() in ("1", "true", "yes", "on"),
        "allow-insecure-host": pip.get("trusted-host", "").split(),
        # What pip does with several indexes; without further ones there is nothing to choose.
        "index-strategy": "unsafe-best-match" if extra else None,
        "python-install-mirror": settings["python_mirror"],
        "python-downloads-json-url": settings["python_list"],
    }
    return {key: value for key, value in told.items() if value}


def environment(settings, pip):
    """Return the variables that uv runs with."""
    told = {
        "UV_CACHE_DIR": settings["cache"],
        "UV_PYTHON_INSTALL_DIR": settings["pythons"],
        "UV_NO_PROGRESS": "1",
        "UV_HTTP_TIMEOUT": pip.get("timeout", "60"),
    }
    if pip.get("cert"):
        told["SSL_CERT_FILE"] = pip["cert"]
    if os.path.exists(settings["credentials"]):
        told["NETRC"] = settings["credentials"]
    return told


def main():
    # A resolution is told its settings: a look must not change the file.
    told = os.environ.get("ONECARD_INDEXES") or (TOOLS / "indexes.json").read_text()
    settings = json.loads(told)
    pip = pip_options()
    toml = "".join(f"{k} = {json.dumps(v)}\n" for k, v in configuration(settings, pip).items())
    # pip's own settings may hold a password in an address: neither argv nor a file gets it.
    file = os.memfd_create("uv.toml", 0)
    os.write(file, toml.encode())
    variables = {**environment(settings, pip), "UV_CONFIG_FILE": f"/proc/self/fd/{file}"}
    uv = TOOLS / "venv" / "bin" / "uv"
    os.execve(uv, [str(uv), *sys.argv[1:]], {**os.environ, **variables})


main()
