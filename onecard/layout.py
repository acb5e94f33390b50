"""Where things lie on a box. The one place for these paths."""

from __future__ import annotations

HOME = "/opt/onecard"
VENV = f"{HOME}/venv"
RELEASES = f"{HOME}/releases"  # one folder a deploy, by number; `current` is the one in force
PROGRAMS = f"{HOME}/lib"  # what of onecard runs on the box: onecard/box
WAIT_FOR_MEMORY = f"{PROGRAMS}/wait-for-memory.sh"
ETC = "/etc/onecard"
ENVIRONMENT = f"{ETC}/vllm.env"
API_KEY = f"{ETC}/api-key.env"
STATE = "/var/lib/onecard"  # the server's home; systemd's StateDirectory=
MODELS = f"{HOME}/models"
CACHE = "/var/cache/onecard"  # compile caches, which outlive a redeploy; CacheDirectory=
JOB = "/run/onecard"  # what the running job needs; in memory, root's alone
JOB_SECRETS = f"{JOB}/secrets"  # what must not outlive the job
UNIT = "vllm.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
