# Pythons and their features, and the tools that compile at run time.
for python in /usr/bin/python3.* /usr/local/bin/python3.*; do
  case "${python##*/python3.}" in *[!0-9]*) continue ;; esac
  [ -x "$python" ] && echo "python=$python"
done
command -v python3 >/dev/null 2>&1 && python3 -I -S -c '
import os, sys, sysconfig
from importlib.machinery import PathFinder  # importlib.util takes as long to load as all the rest
print("default=%d.%d.%d" % sys.version_info[:3])
print("executable=" + sys.executable)
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
print("header=" + (header if os.path.exists(header) else ""))
for module in ("venv", "ensurepip"):
    print("%s=%s" % (module, "yes" if PathFinder.find_spec(module) else ""))
if os.path.isdir("/run/systemd/system") and not os.path.exists("/run/systemd/timesync/synchronized"):
    # As timedatectl decides; the service that it starts takes longer than all probes together.
    import ctypes
    timex = (ctypes.c_long * 64)()  # adjtimex(2): modes, where 0 reads, offset, freq, maxerror in us
    known = ctypes.CDLL(None).adjtimex(timex) >= 0
    print("synchronised=%s" % ("yes" if known and timex[3] < 16000000 else "no"))
' 2>/dev/null
for tool in cc gcc g++ ninja uv git curl wget nvcc dkms; do
  # Twice, for a command substitution takes a process.
  command -v "$tool" >/dev/null 2>&1 && printf 'tool=%s ' "$tool" && command -v "$tool"
done
getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^/libc=/'
:
