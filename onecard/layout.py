"""Where things lie on a box. The one place for these paths."""

from __future__ import annotations

HOME = "/opt/onecard"
VENVS = f"{HOME}/venvs"  # one a lock, named by the lock's key
VENV = f"{HOME}/current"  # link to the environment that passed its checks last
TOOLS = f"{HOME}/tools"  # uv, and what it is told about indexes
UV = f"{TOOLS}/uv"
UV_CACHE = f"{HOME}/uv-cache"  # environments are hard links into it: it costs little of its own
PYTHONS = f"{HOME}/python"  # interpreters that uv brought
WHEELS = f"{HOME}/wheels"  # the copy of a wheelhouse
RELEASES = f"{HOME}/releases"  # one folder a deploy, by number; `current` is the one in force
PROGRAMS = f"{HOME}/lib"  # what of onecard runs on the box: onecard/box
WAIT_FOR_MEMORY = f"{PROGRAMS}/wait-for-memory.sh"
ETC = "/etc/onecard"
ENVIRONMENT = f"{ETC}/vllm.env"
API_KEY = f"{ETC}/api-key.env"
INDEX_CREDENTIALS = f"{ETC}/indexes.netrc"
STATE = "/var/lib/onecard"  # the server's home; systemd's StateDirectory=
MODELS = f"{HOME}/models"
CACHE = "/var/cache/onecard"  # compile caches, which outlive a redeploy; CacheDirectory=
JOB = "/run/onecard"  # what the running job needs; in memory, root's alone
JOB_SECRETS = f"{JOB}/secrets"  # what must not outlive the job
UNIT = "vllm.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
EXPOSE = f"{ETC}/expose"  # what makes the API public: proxy, certificate, firewall
PROXY_UNIT = "onecard-proxy.service"
FIREWALL_UNIT = "onecard-firewall.service"
ACME = "/etc/letsencrypt/live/onecard"  # certbot's own place for certificates
SYSCTL = "/etc/sysctl.d/60-onecard.conf"


def server_path(venv: str) -> str:
    """Return the server's PATH: ninja lies in the environment, compilers on the system."""
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return f"{venv}/bin:/usr/local/cuda/bin:{system}"
