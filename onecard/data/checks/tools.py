# ninja and a C++ compiler are on the server's own PATH, and work.
import shutil
import subprocess
import sys


def trouble():
    for name in ("ninja", "c++"):
        path = shutil.which(name)
        if path is None:
            return f"no {name} on the server's PATH"
        done = subprocess.run([path, "--version"], capture_output=True, text=True)
        if done.returncode != 0:
            return f"{path} --version ended with code {done.returncode}"
        print(f"{name}={path} {done.stdout.split(chr(10))[0]}")
    return ""


said = trouble()
print(f"trouble={said}" if said else "passed=yes")
sys.exit(bool(said))
