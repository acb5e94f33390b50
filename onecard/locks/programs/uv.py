"""Run uv with the indexes of onecard's settings, else with those of this box's pip settings.

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
    """Return key -> value of pip's configuration; environment variables have priority."""
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
    options = {
        "index-url": settings["url"] or pip.get("index-url"),
        "extra-index-url": extra,
        "find-links": links,
        "no-index": pip.get("no-index", "").lower() in ("1", "true", "yes", "on"),
        "allow-insecure-host": pip.get("trusted-host", "").split(),
        # What pip does with several indexes; with one index there is no choice.
        "index-strategy": "unsafe-best-match" if extra else None,
        "python-install-mirror": settings["python_mirror"],
        "python-downloads-json-url": settings["python_list"],
    }
    return {key: value for key, value in options.items() if value}


def environment(settings, pip):
    """Return the variables that uv runs with."""
    variables = {
        "UV_CACHE_DIR": settings["cache"],
        "UV_PYTHON_INSTALL_DIR": settings["pythons"],
        "UV_NO_PROGRESS": "1",
        "UV_HTTP_TIMEOUT": pip.get("timeout", "60"),
    }
    if pip.get("cert"):
        variables["SSL_CERT_FILE"] = pip["cert"]
    if os.path.exists(settings["credentials"]):
        variables["NETRC"] = settings["credentials"]
    return variables


def main():
    """Run uv with the arguments of the command line; return its exit code."""
    # A resolution passes its settings in a variable: a dry run must not change the file.
    text = os.environ.get("ONECARD_INDEXES") or (TOOLS / "indexes.json").read_text()
    settings = json.loads(text)
    pip = pip_options()
    toml = "".join(f"{k} = {json.dumps(v)}\n" for k, v in configuration(settings, pip).items())
    # pip's own settings may hold a password in a URL: never write it to argv or to a file on disk.
    file = os.memfd_create("uv.toml", 0)
    os.write(file, toml.encode())
    variables = {**environment(settings, pip), "UV_CONFIG_FILE": f"/proc/self/fd/{file}"}
    uv = TOOLS / "venv" / "bin" / "uv"
    try:
        return subprocess.call(
            [uv, *sys.argv[1:]], env={**os.environ, **variables}, pass_fds=[file]
        )
    finally:
        close_locks(Path(settings["cache"]).parent)


def close_locks(home):
    """Make uv's lock files writable for their owner only.

    uv makes them writable for all, whatever the umask. Folders of packages have no lock files.
    """
    find = ["find", home, "(", "-name", "lib", "-o", "-name", "models", "-o", "-name"]
    find += ["archive-v*", ")", "-prune", "-o", "-name", "*.lock", "-type", "f", "-perm", "-0002"]
    command = [*find, "-exec", "chmod", "go-w", "{}", "+"]
    subprocess.run(command, stderr=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    sys.exit(main())
