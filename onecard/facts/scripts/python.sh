# Pythons and their features, and the tools that compile at run time.
for python in /usr/bin/python3.* /usr/local/bin/python3.*; do
  case "${python##*/python3.}" in *[!0-9]*) continue ;; esac
  [ -x "$python" ] && echo "python=$python"
done
command -v python3 >/dev/null 2>&1 && python3 -I -S -c '
import importlib.util, os, sys, sysconfig
print("default=%d.%d.%d" % sys.version_info[:3])
print("executable=" + sys.executable)
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
print("header=" + (header if os.path.exists(header) else ""))
for module in ("venv", "ensurepip"):
    print("%s=%s" % (module, "yes" if importlib.util.find_spec(module) else ""))
' 2>/dev/null
for tool in cc gcc g++ ninja uv git curl wget nvcc dkms; do
  at=$(command -v "$tool" 2>/dev/null) && echo "tool=$tool $at"
done
getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^/libc=/'
:
