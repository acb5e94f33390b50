"""The NVIDIA driver, loaded, and its persistence mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from onecard.facts.versions import version_key
from onecard.resources.base import ABSENT, NEEDS_REBOOT, Differences, Resource, State, fields
from onecard.ssh.probe_batch import Answer

_UNIT = "nvidia-persistenced.service"
_DROP_IN = f"/etc/systemd/system/{_UNIT}.d/onecard.conf"
_SMI = "timeout 60 nvidia-smi --format=csv,noheader"


@dataclass(frozen=True)
class NvidiaDriver(Resource):
    """A driver that answers nvidia-smi, of this branch or a later one.

    The fix loads its module; where another module holds the card, that needs a reboot.
    """

    accepts: ClassVar[Mapping[int, str]] = MappingProxyType(
        dict.fromkeys(range(1, 256), "nvidia-smi does not answer") | {0: "it answers"}
    )

    branch: int

    @property
    def name(self) -> str:
        return f"NVIDIA driver >= {self.branch} loaded"

    def probe(self) -> str:
        return f"{_SMI} --query-gpu=driver_version 2>&1"

    def read(self, answer: Answer) -> State:
        first = next(iter(answer.output.splitlines()), "").strip()
        if answer.code != 0:
            missing = answer.code in (126, 127)
            return {"nvidia-smi": "not installed" if missing else first[:80] or "no output"}
        new_enough = version_key(first)[:1] >= (self.branch,)
        return {"nvidia-smi": "answers" if new_enough else f"driver {first}"}

    def desired(self) -> State:
        return {"nvidia-smi": "answers"}

    def fix(self, differences: Differences, actual: State) -> str:
        return _LOAD.format(smi=f"{_SMI} --query-gpu=driver_version", needs_reboot=NEEDS_REBOOT)


_LOAD = """\
if output=$({smi} 2>&1); then
  echo "nvidia-smi answers: $output"; exit 0
fi
if [ -d /sys/module/nouveau ]; then
  echo "nouveau holds the card"; exit {needs_reboot}
fi
if loaded=$(cat /sys/module/nvidia/version 2>/dev/null); then
  echo "the module of driver $loaded is loaded, another driver is installed"; exit {needs_reboot}
fi
if ! output=$(modprobe nvidia 2>&1); then
  case "$output" in
    *"Key was rejected"* | *"Required key"* | *"Operation not permitted"*)
      echo "error: Secure Boot rejects the module ($output): invoke doctor says which key it needs"
      exit 1 ;;
  esac
  echo "the running kernel $(uname -r) has no such module yet"; exit {needs_reboot}
fi
deadline=$(($(date +%s) + 60))
until output=$({smi} 2>&1); do
  if [ "$(date +%s)" -ge $deadline ]; then
    echo "the module is loaded and nvidia-smi fails:" $output; exit {needs_reboot}
  fi
  sleep 1
done"""


# cuInit loads the library's own half of the driver and compares it with the kernel's: no PyTorch is
# needed to learn that a forward compatibility package does not work with a card or a driver.
_CUDA = """\
import ctypes
library = ctypes.CDLL("libcuda.so.1")
code, version = library.cuInit(0), ctypes.c_int()
library.cuDriverGetVersion(ctypes.byref(version))
print("code=%d" % code)
print("cuda=%d.%d" % (version.value // 1000, version.value % 1000 // 10))"""
# CUDA Driver API, CUresult.
_CUDA_ERRORS = {
    "100": "no card",
    "802": "the Fabric Manager does not run",
    "803": "the package does not work with this driver",
    "804": "the package does not work with this card",
}


@dataclass(frozen=True)
class CudaDriver(Resource):
    """CUDA's user-space driver in `folder`, which works with the loaded kernel module.

    cuda: the version that it supports, `13.0`. Not fixable: the fix is the check, which ends a job
    before anything large is downloaded.
    """

    folder: str
    cuda: str

    @property
    def name(self) -> str:
        return f"CUDA {self.cuda} from {self.folder}"

    def probe(self) -> str:
        return (
            f"[ -e {self.folder}/libcuda.so.1 ] && command -v python3 >/dev/null || exit 0\n"
            f"LD_LIBRARY_PATH={self.folder} timeout 120 python3 -I -c '{_CUDA}' 2>&1 || :"
        )

    def read(self, answer: Answer) -> State:
        if not answer.output.strip():
            return ABSENT
        values = fields(answer.output)
        if values.get("code") == "0":
            return {"cuda": values["cuda"]}
        return {"cuda": self._reason(answer.output)}

    def desired(self) -> State:
        return {"cuda": self.cuda}

    def fix(self, differences: Differences, actual: State) -> str:
        return f'output=$({self.probe()})\necho "$output"\necho "$output" | grep -qx code=0'

    def trouble(self, output: Sequence[str]) -> str:
        return (
            f"{self._reason(chr(10).join(output))}; set vllm.version, whose build for CUDA 12.9 is "
            "taken, or take a box with a newer driver"
        )

    def _reason(self, output: str) -> str:
        code = fields(output).get("code", "")
        last = next((line for line in reversed(output.splitlines()) if line.strip()), "no answer")
        known = _CUDA_ERRORS.get(code, "")
        return f"cuInit failed with {code}{known and ': '}{known}" if code else last[:120]


@dataclass(frozen=True)
class Persistence(Resource):
    """The driver's state stays loaded while no program uses the card, also after a reboot.

    udev starts Ubuntu's unit of the daemon, with --no-persistence-mode, and it stops when nothing
    needs it; the drop-in overrides all of that.
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
[ "$start" ] || {{ echo 'error: {_UNIT} does not exist'; exit 1; }}
start=$(printf '%s' "$start" | sed 's/ --no-persistence-mode//; s/ --persistence-mode//')
mkdir -p "$(dirname {_DROP_IN})"
cat >{_DROP_IN} <<@end
# Written by onecard.
[Unit]
StopWhenUnneeded=false
[Service]
ExecStart=
ExecStart=$start --persistence-mode
@end
systemctl daemon-reload
systemctl -q add-wants multi-user.target {_UNIT}
systemctl restart {_UNIT}"""
