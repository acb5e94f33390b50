"""Where things lie on a box. The one place for these paths."""

from __future__ import annotations

HOME = "/opt/onecard"
VENV = f"{HOME}/venv"
ETC = "/etc/onecard"
ENVIRONMENT = f"{ETC}/vllm.env"
API_KEY = f"{ETC}/api-key.env"
STATE = "/var/lib/onecard"  # the server's home; systemd's StateDirectory=
MODELS = f"{HOME}/models"
CACHE = "/var/cache/onecard"  # compile caches, which outlive a redeploy; CacheDirectory=
UNIT = "vllm.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
EXPOSE = f"{ETC}/expose"  # what makes the API public: proxy, certificate, firewall
PROXY_UNIT = "onecard-proxy.service"
FIREWALL_UNIT = "onecard-firewall.service"
ACME = "/etc/letsencrypt/live/onecard"  # certbot's own place for certificates
SYSCTL = "/etc/sysctl.d/60-onecard.conf"
