"""Paths on a box, all defined here."""

from __future__ import annotations

HOME = "/opt/onecard"
VENVS = f"{HOME}/venvs"  # one per lock file, named by the lock's key
VENV = f"{HOME}/current"  # link to the environment that passed its checks last
TOOLS = f"{HOME}/tools"  # uv, and its configuration of indexes
UV = f"{TOOLS}/uv"
UV_CACHE = f"{HOME}/uv-cache"  # environments are hard links into it: it costs little of its own
PYTHONS = f"{HOME}/python"  # interpreters that uv downloaded
WHEELS = f"{HOME}/wheels"  # the copy of a wheelhouse
RELEASES = f"{HOME}/releases"  # one folder per deploy, by number; `current` is the active one
PROGRAMS = f"{HOME}/lib"  # the programs that run on the box: onecard/box
WAIT_FOR_MEMORY = f"{PROGRAMS}/wait-for-memory.sh"
ETC = "/etc/onecard"
ENVIRONMENT = f"{ETC}/vllm.env"
API_KEY = f"{ETC}/api-key.env"
INDEX_CREDENTIALS = f"{ETC}/indexes.netrc"
STATE = "/var/lib/onecard"  # the server's home; systemd's StateDirectory=
MODELS = f"{HOME}/models"
CACHE = "/var/cache/onecard"  # compile caches, which outlive a redeploy; CacheDirectory=
JOB = "/run/onecard"  # files of the running job; in memory, for root alone
JOB_SECRETS = f"{JOB}/secrets"  # removed at the end of the job
UNIT = "vllm.service"
UNITS = f"{ETC}/units"  # unit files on a box without systemd
SUPERVISOR = f"{HOME}/supervisor"  # supervisord's environment, on a box without systemd
SUPERVISOR_CONFIGURATION = f"{ETC}/supervisord.conf"
SUPERVISOR_RUN = "/run/onecard-supervisor"  # its socket, and the state of each unit's runs
LOGS = f"{HOME}/logs"  # its log and those of its units
EXPOSE = f"{ETC}/expose"  # the public API: proxy, certificate, firewall
PROXY_UNIT = "onecard-proxy.service"
FIREWALL_UNIT = "onecard-firewall.service"
RENEWAL_UNIT = "onecard-renewal.service"  # certbot's timer, on a box without systemd
MONITORING = f"{ETC}/monitoring"  # Prometheus' configuration, its page, box-metrics
METRICS = "/run/onecard-metrics"  # what box-metrics writes
PROMETHEUS_DATA = "/var/lib/onecard-prometheus"
PROMETHEUS_UNIT = "onecard-prometheus.service"
NODE_EXPORTER_UNIT = "onecard-node-exporter.service"
METRICS_UNIT = "onecard-metrics.service"
METRICS_TIMER = "onecard-metrics.timer"
ACME = "/etc/letsencrypt/live/onecard"  # certbot's own place for certificates
GATEWAY = f"{ETC}/gateway"  # one address for several boxes: HAProxy, keys, certificate, firewall
GATEWAY_UNIT = "onecard-gateway.service"
GATEWAY_FIREWALL_UNIT = "onecard-gateway-firewall.service"
GATEWAY_ACME = "/etc/letsencrypt/live/onecard-gateway"
GATEWAY_RUN = "/run/onecard-gateway"
RAY = f"{ETC}/ray"  # one model over several boxes: environment and token, vLLM's own configuration
RAY_TOKEN = f"{RAY}/token.env"
RAY_SESSIONS = f"{STATE}/ray"  # Ray's sockets and logs
RAY_UNIT = "onecard-ray.service"
SYSCTL = "/etc/sysctl.d/60-onecard.conf"


def server_path(venv: str) -> str:
    """Return the server's PATH: ninja is in the environment, compilers are on the system."""
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return f"{venv}/bin:/usr/local/cuda/bin:{system}"
