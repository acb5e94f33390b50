"""A pod on the GPU machine: a container of its own Ubuntu, of which only /workspace outlives a stop.

It has Docker's default capabilities, 64 MiB of /dev/shm, a read-only /proc/sys, the cards, and this
machine's network; its sshd listens on 127.0.0.1 alone.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

from onecard.sandbox.common.pod import CAPABILITIES, SHM_BYTES
from onecard.sandbox.nspawn.container import greets

PORT = 2222
_START_S = 30.0

_ENTER = """\
set -e
mount --make-rprivate /
cd {folder}
mkdir -p pod
mount -t overlay overlay -o lowerdir=image,upperdir=layer/upper,workdir=layer/work pod
cd pod
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev,noexec,size={shm} tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
for device in null zero full random urandom tty; do cp -a /dev/$device dev/; done
for device in /dev/nvidia*; do [ ! -c "$device" ] || cp -a "$device" dev/; done
[ ! -d /usr/local/nvidia ] || mount --bind -o ro /usr/local/nvidia usr/local/nvidia
mount --bind ../volume workspace
exec chroot . setpriv --bounding-set={capabilities} --inh-caps=-all \\
    env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /start.sh
"""


class GpuPod:
    """Starts and stops the pod of a folder that prepare.sh has filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start a new tree of the image, with the volume as it is. Raises TimeoutError."""
        shutil.rmtree(self.folder / "layer", ignore_errors=True)
        for name in ("layer/upper", "layer/work", "volume"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        capabilities = ",".join(["-all", *(f"+{name.lower()}" for name in CAPABILITIES)])
        script = _ENTER.format(
            folder=shlex.quote(str(self.folder)), shm=SHM_BYTES, capabilities=capabilities
        )
        with (self.folder / "pod.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child",
                 "/bin/sh", "-c", script],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + _START_S
        while not greets("127.0.0.1", PORT):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError((self.folder / "pod.log").read_text()[-2000:])
            time.sleep(0.1)

    def stop(self) -> None:
        """End all of the pod's processes, as a provider does: nothing gets to say goodbye."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
