"""The NVIDIA driver at work, and what keeps it at work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from onecard.facts.lines import version_key
from onecard.resources.base import NEEDS_REBOOT, Differences, Resource, State
from onecard.script import Answer

_UNIT = "nvidia-persistenced.service"
_DROP_IN = f"/etc/systemd/system/{_UNIT}.d/onecard.conf"
_SMI = "timeout 60 nvidia-smi --format=csv,noheader"


@dataclass(frozen=True)
class NvidiaDriver(Resource):
    """A driver that answers nvidia-smi, of this branch or a later one.

    Its module is loaded where nothing else holds the card; else only a reboot brings it in.
    """

    accepts: ClassVar[Mapping[int, str]] = MappingProxyType(
        dict.fromkeys(range(1, 256), "nvidia-smi does not answer") | {0: "it answers"}
    )

    branch: int

    @property
    def name(self) -> str:
        return f"NVIDIA driver >= {self.branch} at work"

    def probe(self) -> str:
        return f"{_SMI} --query-gpu=driver_version 2>&1"

    def read(self, answer: Answer) -> State:
        first = next(iter(answer.output.splitlines()), "").strip()
        if answer.code != 0:
            missing = answer.code in (126, 127)
            return {"nvidia-smi": "not there" if missing else first[:80] or "says nothing"}
        new_enough = version_key(first)[:1] >= (self.branch,)
        return {"nvidia-smi": "answers" if new_enough else f"driver {first}"}

    def desired(self) -> State:
        return {"nvidia-smi": "answers"}

    def fix(self, differences: Differences, actual: State) -> str:
        return _LOAD.format(smi=f"{_SMI} --query-gpu=driver_version", needs_reboot=NEEDS_REBOOT)


_LOAD = """\
if said=$({smi} 2>&1); then
  echo "nvidia-smi answers: $said"; exit 0
fi
if [ -d /sys/module/nouveau ]; then
  echo "nouveau holds the card"; exit {needs_reboot}
fi
if loaded=$(cat /sys/module/nvidia/version 2>/dev/null); then
  echo "the module of driver $loaded is loaded, another driver is installed"; exit {needs_reboot}
fi
if ! said=$(modprobe nvidia 2>&1); then
  case "$said" in
    *"Key was rejected"* | *"Required key"*)
      echo "error: Secure Boot refuses the module ($said); turn it off, or set driver.source ubuntu"
      exit 1 ;;
  esac
  echo "the running kernel $(uname -r) has no such module yet"; exit {needs_reboot}
fi
deadline=$(($(date +%s) + 60))
until said=$({smi} 2>&1); do
  if [ "$(date +%s)" -ge $deadline ]; then
    echo "the module is loaded and nvidia-smi fails:" $said; exit {needs_reboot}
  fi
  sleep 1
done"""


@dataclass(frozen=True)
class Persistence(Resource):
    """The driver's state stays loaded while no program uses the card, also after a reboot.

    Ubuntu's unit of the daemon is started by udev, with --no-persistence-mode, and stops when
    nothing needs it; the drop-in takes all that away.
    """

    accepts: ClassVar[Mapping[int, str]] = NvidiaDriver.accepts

    @property
    def name(self) -> str:
        return "NVIDIA persistence mode"

    def probe(self) -> str:
        wanted = f"/etc/systemd/system/multi-user.target.wants/{_UNIT}"
        return f"[ ! -L {wanted} ] || echo boot\n{_SMI} --query-gpu=persistence_mode 2>&1 | sort -u"

    def read(self, answer: Answer) -> State:
        lines = answer.output.split("\n")
        modes = [mode for mode in ("Disabled", "Enabled") if mode in lines]
        return {"mode": ", ".join(modes) or "unknown", "at boot": "boot" in lines}

    def desired(self) -> State:
        return {"mode": "Enabled", "at boot": True}

    def fix(self, differences: Differences, actual: State) -> str:
        return _PERSIST


_PERSIST = f"""\
start=$(systemctl cat {_UNIT} | sed -n 's/^ExecStart=\\(..*\\)/\\1/p' | head -n 1)
[ "$start" ] || {{ echo 'error: {_UNIT} is not there'; exit 1; }}
start=$(printf '%s' "$start" | sed 's/ --no-persistence-mode//; s/ --persistence-mode//')
mkdir -p "$(dirname {_DROP_IN})"
cat >{_DROP_IN} <<@end
# Kept by onecard.
[Unit]
StopWhenUnneeded=false
[Service]
ExecStart=
ExecStart=$start --persistence-mode
@end
systemctl daemon-reload
systemctl -q add-wants multi-user.target {_UNIT}
systemctl restart {_UNIT}"""
