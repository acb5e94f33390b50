"""Check that ninja and a C++ compiler are on the server's PATH, and run."""

import shutil
import subprocess
import sys


def trouble():
    """Return what is wrong in one line, empty if nothing is."""
    for key, name in (("ninja", "ninja"), ("compiler", "c++")):
        path = shutil.which(name)
        if path is None:
            return f"no {name} on the server's PATH"
        done = subprocess.run([path, "--version"], capture_output=True, text=True)
        if done.returncode != 0:
            return f"{path} --version ended with code {done.returncode}"
        print(f"{key}={path} {done.stdout.split(chr(10))[0]}")
    return ""


message = trouble()
print(f"trouble={message}" if message else "passed=yes")
sys.exit(bool(message))
