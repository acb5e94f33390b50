"""Checks of the box itself, made before anything is changed. Each: facts, settings -> Check."""

from __future__ import annotations

from onecard.doctor.check import Check
from onecard.facts.lines import version_key
from onecard.facts.model import Facts
from onecard.settings import Settings

_SYSTEMS = {"ubuntu": (22, 4), "debian": (11,)}
_SKEW = 300  # s; beyond it TLS and apt's Valid-Until begin to refuse
VENV_GIB = {"cpu": 6, "nvidia": 15}
_LOADED_GIB = {"cpu": 3, "nvidia": 12}


def system(facts: Facts, settings: Settings) -> Check:
    """The distribution is one that the roles know."""
    oldest = _SYSTEMS.get(facts.os.id)
    name = facts.os.name or "unknown system"
    if oldest and version_key(facts.os.version) >= oldest:
        return Check("system", "ok", name)
    return Check(
        "system", "blocker", f"{name} is not supported", "use Ubuntu >= 22.04 or Debian >= 11"
    )


def architecture(facts: Facts, settings: Settings) -> Check:
    """The processor is x86_64; aarch64 may work."""
    arch = facts.kernel.arch
    if arch == "x86_64":
        return Check("architecture", "ok", arch)
    if arch == "aarch64":
        return Check("architecture", "warning", "aarch64 is untried", "prefer an x86_64 box")
    return Check("architecture", "blocker", f"{arch or 'unknown'}: no wheels", "use x86_64")


def root(facts: Facts, settings: Settings) -> Check:
    """The login is root, or may become it without a password."""
    machine = facts.machine
    if machine.root:
        how = "" if machine.root == "root" else " with sudo"
        return Check("root", "ok", machine.user + how)
    return Check(
        "root", "blocker", f"{machine.user} is neither root nor has sudo", "log in as root"
    )


def systemd(facts: Facts, settings: Settings) -> Check:
    """The server runs as a systemd unit."""
    machine = facts.machine
    if machine.systemd:
        return Check("systemd", "ok", f"{machine.systemd_version} {machine.state}".strip())
    return Check(
        "systemd",
        "blocker",
        f"process 1 is {machine.init or 'unknown'}, not systemd; deploy needs it",
        "rent a virtual machine or a container that boots systemd",
    )


def container(facts: Facts, settings: Settings) -> Check:
    """A container is no obstacle by itself; a driver is then the host's."""
    box = facts.machine.container
    vm = "virtual machine" if box.vm == "unknown" else f"{box.vm} virtual machine"
    kind = f"{box.kind} container" if box.kind else vm if box.vm else "bare metal"
    return Check("machine", "ok", " ".join((kind, box.product)).strip())


def clock(facts: Facts, settings: Settings) -> Check:
    """The clock is within 5 minutes of the asker's."""
    skew = facts.machine.clock_skew
    # A minimal Debian has nothing that follows a time server.
    fix = "apt-get install systemd-timesyncd; timedatectl set-ntp true"
    if skew is not None and abs(skew) > _SKEW:
        word = "ahead" if skew > 0 else "behind"
        return Check(
            "clock",
            "blocker",
            f"{abs(skew):.0f} s {word} of this computer: TLS and apt will fail",
            f"set it (date -s); {fix}",
        )
    if facts.machine.synchronised is False and not facts.machine.container.kind:
        return Check("clock", "warning", "follows no time server", fix)
    return Check("clock", "ok", "right" if skew is not None else "not compared")


def disk(facts: Facts, settings: Settings) -> Check:
    """Room for the virtual environment; the model's own size is checked before its download."""
    need = VENV_GIB[settings.accelerator]
    for path in ("/opt", "/var/lib"):
        room = facts.disk(path)
        if room is None:
            continue
        wanted = need if path == "/opt" else 1
        if room.free_gib < wanted:
            return Check(
                "disk",
                "blocker",
                f"{room.free_gib:.1f} GiB free at {path} ({room.mount}), {wanted} GiB needed",
                "free room (apt-get clean; journalctl --vacuum-size=200M) or rent a larger disk",
            )
        if room.inodes_total and room.inodes_free < 100_000:
            return Check(
                "disk",
                "blocker",
                f"{room.inodes_free} inodes free at {path}, a virtual environment takes 100000",
                "delete small files, or rent a larger disk",
            )
    opt = facts.disk("/opt")
    return Check("disk", "ok", f"{opt.free_gib:.0f} GiB free at /opt" if opt else "not known")


def writable(facts: Facts, settings: Settings) -> Check:
    """No place that is written lies on a read-only mount."""
    closed = [d for d in facts.disks if d.read_only and d.path in ("/", "/opt", "/var", "/var/lib")]
    if not closed:
        return Check("writable", "ok", "/opt and /var can be written")
    return Check(
        "writable",
        "blocker",
        f"{closed[0].path} is on a read-only mount ({closed[0].mount})",
        f"mount -o remount,rw {closed[0].mount}; if it fails look for disk errors in dmesg",
    )


def memory(facts: Facts, settings: Settings) -> Check:
    """Main memory for vLLM's processes (weights pass through it, but are not kept there)."""
    total = facts.memory.total_gib
    if facts.memory.limit_gib:
        total = min(total, facts.memory.limit_gib)
    need = _LOADED_GIB[settings.accelerator]
    if total < need:
        return Check("memory", "blocker", f"{total:.1f} GiB, {need} GiB needed", "rent more memory")
    return Check("memory", "ok", f"{total:.0f} GiB, {facts.memory.available_gib:.0f} available")


def dpkg(facts: Facts, settings: Settings) -> Check:
    """The last run of dpkg ended properly. One that runs now has not ended yet."""
    broken = facts.packages.unfinished
    if (facts.packages.journal or broken) and not facts.packages.locks:
        what = f"not finished: {', '.join(broken[:3])}" if broken else "interrupted"
        return Check(
            "dpkg", "blocker", f"dpkg {what}", "dpkg --configure -a && apt-get -y -f install"
        )
    return Check("dpkg", "ok", "nothing unfinished")


def apt_lock(facts: Facts, settings: Settings) -> Check:
    """Nobody else uses apt; else every call waits for them."""
    if not facts.packages.locks:
        return Check("apt lock", "ok", "free")
    lock = facts.packages.locks[0]
    return Check(
        "apt lock",
        "warning",
        f"{lock.path} is held by {lock.process} ({lock.pid}); onecard waits up to 600 s",
        "wait, or cloud-init status --wait; never delete the lock",
    )


def network(facts: Facts, settings: Settings) -> Check:
    """There is a way out, and a name server."""
    net = facts.network
    if net.default_route and net.nameservers:
        return Check("network", "ok", f"{net.default_route}, DNS {net.nameservers[0]}")
    missing = "name server in /etc/resolv.conf" if net.default_route else "default route"
    return Check(
        "network",
        "warning",
        f"no {missing}: downloads need one",
        "ask the provider; ip route and /etc/resolv.conf show what there is",
    )


def port(facts: Facts, settings: Settings) -> Check:
    """The server's port is free, or its own."""
    number = settings.serve.port
    there = [one for one in facts.network.listeners if one.port == number]
    for one in there:
        if not one.process.lower().startswith(("vllm", "onecard")):
            return Check(
                "port",
                "warning",
                f"{number} is taken by {one.process or 'another process'} ({one.pid or '?'})",
                "set serve.port to another, or stop it",
            )
    return Check("port", "ok", f"{number} is the server's own" if there else f"{number} is free")
