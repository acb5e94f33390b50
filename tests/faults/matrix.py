"""The faults: what is provoked, in which commands, and what the message must say."""

from __future__ import annotations

import signal

from tests.faults.fault import Fault
from tests.faults.strikes import (
    away,
    cut,
    on_box,
    other_command,
    reboot,
    second_run,
    second_run_after_a_killed_one,
    second_run_beside_a_stopped_one,
    signalled,
    stop_pod,
)
from tests.faults.work import (
    DEPLOY,
    INSTALL,
    PROVISION,
    REPAIR,
    RESTART,
    ROLLBACK,
    ROTATE,
    SCALE,
    TEARDOWN,
    UPGRADE,
)  # fmt: skip

ALL = (PROVISION, REPAIR, DEPLOY, ROLLBACK, ROTATE, UPGRADE, SCALE, TEARDOWN)
CHANGES = (PROVISION, DEPLOY, ROTATE)
# That last long enough to be cut off.
LONG = (REPAIR, DEPLOY, ROTATE)
# What the message says to whoever ended a command; one that was only starting says nothing.
ENDED = r"^$|interrupted; a running job on a box continues|interrupted, and what ran before"
CUT = "connection was (cut|lost)|connection to the box was lost|no answer"
MAIN = "$(systemctl show vllm -p MainPID --value)"

CONTROLLER_ENDS = (
    Fault("controller killed (-9)", ALL, signalled(signal.SIGKILL), tries=6, short=DEPLOY),
    Fault("controller ended (-15)", ALL, signalled(signal.SIGTERM), says=ENDED),
    Fault("controller ended (Ctrl-C)", ALL, signalled(signal.SIGINT), says=ENDED, short=DEPLOY),
    Fault("terminal hung up", ALL, signalled(signal.SIGHUP), says=ENDED),
)

CONNECTION = (
    Fault("connection cut", LONG, cut,
          says=CUT, codes=(0, 3), tries=5, short=REPAIR),
    Fault("sshd restarted", LONG, on_box("systemctl restart ssh"), codes=(0,)),
    Fault("address away for 10 s", LONG, away(10), codes=(0, 3)),
    Fault("address away for 30 s", LONG, away(30), says=CUT, codes=(3,)),
    Fault("box rebooted", (REPAIR, DEPLOY), reboot, codes=(0, 1, 3)),
    Fault("pod stopped and started", (REPAIR, DEPLOY), stop_pod, says=CUT, codes=(0, 3), pod=True),
)  # fmt: skip

TWO_RUNS = (
    Fault("two runs at one host", LONG, second_run, codes=(0, 1)),
    Fault("a run that is stopped (Ctrl-Z) holds the lock", LONG,
          second_run_beside_a_stopped_one, codes=(0,), short=REPAIR),
    Fault("a run that was killed holds the lock", LONG, second_run_after_a_killed_one),
    Fault("a deploy while a scale runs", (SCALE,), other_command("deploy", "--ctx", "8192"),
          codes=(0, 1), tries=1),
)  # fmt: skip

# dpkg's lock is one of fcntl's.
HOLD_DPKG = """
cat >/run/hold-dpkg.py <<'END'
import fcntl, time
with open("/var/lib/dpkg/lock-frontend", "w") as lock:
    fcntl.lockf(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    time.sleep(%d)
END
python3 /run/hold-dpkg.py >/run/hold-dpkg 2>&1 </dev/null &
until [ -s /run/hold-dpkg ]; do sleep 0.1; done
"""
INDEX = """
cat >/run/index.py <<'END'
from http.server import BaseHTTPRequestHandler, HTTPServer
class Index(BaseHTTPRequestHandler):
    def do_GET(self):
        %s
HTTPServer(("127.0.0.1", 8999), Index).serve_forever()
END
mv /etc/apt/sources.list /run/sources.list; mkdir -p /run/sources.list.d
mv /etc/apt/sources.list.d/* /run/sources.list.d/ 2>/dev/null
echo 'deb [trusted=yes] http://127.0.0.1:8999 bookworm main' >/etc/apt/sources.list
rm -rf /var/lib/apt/lists/*
setsid python3 /run/index.py >/dev/null 2>&1 </dev/null &
"""
INDEX_BACK = """
pkill -f /run/index.py; mv /run/sources.list /etc/apt/sources.list
mv /run/sources.list.d/* /etc/apt/sources.list.d/ 2>/dev/null; apt-get -qq update
"""
PACKAGES = (
    Fault("dpkg's lock held for 20 s", (INSTALL,), before=HOLD_DPKG % 20, codes=(0,), tries=1),
    Fault("dpkg interrupted", (INSTALL,), before="""
        cd /run && apt-get -qq download hello && dpkg --unpack hello_*.deb >/dev/null
        dpkg-query --status hello >/var/lib/dpkg/updates/0001
    """, after="dpkg --configure -a >/dev/null; dpkg --purge hello >/dev/null",
          codes=(0,), tries=1),
    Fault("package index answers 500", (INSTALL,), before=INDEX % "self.send_error(500)",
          after=INDEX_BACK, says="wget.*500", codes=(1,), tries=1),
    Fault("package index breaks off", (INSTALL,), before=INDEX % (
        'self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 9000\\r\\n\\r\\nOrigin: half")'),
          after=INDEX_BACK, says="wget", codes=(1,), tries=1),
)  # fmt: skip

# What is in a folder, on a file system with room for one thing more, which is taken.
_FULL = """
mkdir -p {0} /run/full; {1}
cp -a {0}/. /run/full/; {2}
mount --bind /run/full {0}; umount /run/full
"""
_SIZE = "mount -t tmpfs -o size=$(($(du -sk {0} | cut -f 1) + 64))k none /run/full"
_INODES = "mount -t tmpfs -o nr_inodes=$(($(find {0} | wc -l) + 1)) none /run/full"
_NO_SPACE = "head -c 1G /dev/zero >/run/full/filler 2>/dev/null || true"
_NO_INODES = (
    "number=0; while touch /run/full/filler$number 2>/dev/null; do number=$((number + 1)); done"
)
# The folders that the steps write to, one after the other. Another context changes the unit alone.
WRITTEN = (
    ("/opt/onecard/models", PROVISION), ("/etc/sysctl.d", PROVISION),
    ("/var/cache/apt", INSTALL), ("/var/lib/dpkg", INSTALL),
    ("/opt/onecard/releases", DEPLOY), ("/etc/systemd/system", DEPLOY), ("/etc/onecard", ROTATE),
)  # fmt: skip
DISKS = tuple(
    Fault(f"no {what} left in {folder}", (work,), tries=1, codes=(1,),
          before=_FULL.format(folder, mount.format(folder), fill),
          after=f"umount -l {folder}",
          says=f"no {what} left on {folder}|{folder}[^ ]* has 0 MiB free")
    for folder, work in WRITTEN
    for what, mount, fill in (("space", _SIZE, _NO_SPACE), ("inodes", _INODES, _NO_INODES))
)  # fmt: skip

ENVIRONMENTS = "/opt/onecard/venvs"
DATE = "/usr/local/bin/date"
BASHRC = "cp /root/.bashrc /run/bashrc; printf '%s\\n' >>/root/.bashrc"
BASHRC_BACK = "cp /run/bashrc /root/.bashrc"
SURROUNDINGS = (
    Fault("disk of the environments full", (REPAIR,), tries=1,
          before=f"mount -t tmpfs -o size=300m none {ENVIRONMENTS}", after=f"umount {ENVIRONMENTS}",
          says=f"no space left on {ENVIRONMENTS}: [0-9]+ MiB of 300 MiB free", codes=(1,)),
    Fault("a clock that is 400 days late", CHANGES, tries=1, codes=(0, 1), after=f"rm {DATE}",
          says="behind of this computer: TLS and apt will fail",
          before=f"""printf '#!/bin/sh\\nexec /bin/date -d "400 days ago" "$@"\\n' >{DATE}
                     chmod 0755 {DATE}"""),
    Fault("/tmp full", CHANGES, tries=1,
          before="mount -t tmpfs -o size=8k none /tmp; head -c 8192 /dev/zero >/tmp/full || true",
          after="umount /tmp", codes=(0,)),
    Fault("/tmp noexec", CHANGES, tries=1, before="mount -t tmpfs -o noexec none /tmp",
          after="umount /tmp", codes=(0,)),
    Fault("umask 077", CHANGES, tries=1, before=BASHRC % "umask 077", after=BASHRC_BACK, codes=(0,)),
    Fault("another locale", CHANGES, tries=1, after=BASHRC_BACK, codes=(0,),
          before=BASHRC % "export LC_ALL=de_DE.UTF-8 LANG=tr_TR.UTF-8 LANGUAGE=de"),
    Fault("a .bashrc that prints", CHANGES, tries=1, after=BASHRC_BACK, codes=(0,),
          before=BASHRC % "echo welcome; echo @onecard >&2; printf no-line-end"),
)  # fmt: skip

SERVER = (
    Fault("server killed (-9)", (RESTART, DEPLOY), on_box(f"kill -9 {MAIN}"), codes=(0, 1)),
    Fault("server halted (SIGSTOP)", (RESTART, DEPLOY), before=f"kill -STOP {MAIN}", codes=(0,),
          tries=1, short=RESTART),
    Fault("server's port taken", (RESTART,), tries=1,
          before="systemctl stop vllm; cd /run; setsid python3 -m http.server 8000 --bind 127.0.0.1"
          " >/dev/null 2>&1 </dev/null &",
          after="pkill -f '[h]ttp.server 8000'",
          says=r"port 8000: address already in use by python3 \(pid [0-9]+\)", codes=(1,)),
)  # fmt: skip

OTHER_KEY = """
folder=$(mktemp -d); ssh-keygen -q -t ed25519 -N '' -f $folder/key
read -r host _ <"$ONECARD_INVENTORY/known_hosts"
echo "$host $(cut -d ' ' -f 1,2 $folder/key.pub)" >$folder/known_hosts
mount --bind $folder/known_hosts "$ONECARD_INVENTORY/known_hosts"; exec "$@"
"""
COMPUTER = (
    Fault("controller's disk full", CHANGES, tries=1, codes=(0,), says="record", through="""
        mount -t tmpfs -o size=4k none "$ONECARD_RUNS"; head -c 4096 /dev/zero >"$ONECARD_RUNS/full"
        exec "$@"
    """),
    Fault("records read-only", CHANGES, tries=1, codes=(0,), says="record.*[Rr]ead-only",
          through='mount -t tmpfs -o ro none "$ONECARD_RUNS"; exec "$@"'),
    Fault("output into a closed pipe", CHANGES, tries=1,
          through='"$@" > >(exec true); exit 0'),
    Fault("host key changed", CHANGES, tries=1, codes=(3,), says="the host key has changed",
          through=OTHER_KEY),
)  # fmt: skip

FAULTS = (
    *CONTROLLER_ENDS, *CONNECTION, *TWO_RUNS, *PACKAGES, *DISKS, *SURROUNDINGS, *SERVER, *COMPUTER,
)  # fmt: skip
SHORT = tuple((fault, fault.short) for fault in FAULTS if fault.short)
