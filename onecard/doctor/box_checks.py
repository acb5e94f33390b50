"""Checks of the box itself, before any change. Each: facts, settings -> Check."""

from __future__ import annotations

from onecard.doctor.check import Check
from onecard.facts.model import Facts
from onecard.facts.places import disk_path
from onecard.facts.versions import version_key
from onecard.settings.settings import Settings

_SYSTEMS = {"ubuntu": (22, 4), "debian": (11,)}
_SKEW = 300  # s; beyond it TLS and apt's Valid-Until begin to refuse
VENV_GIB = {"cpu": 6, "nvidia": 15}
_FROM_PACKAGES = ("accounts", "packages")  # missing programs, not rights
_MORE_DISK = {
    "machine": "free space (apt-get clean; journalctl --vacuum-size=200M) or rent a larger disk",
    "pod": "free space (apt-get clean) or create the pod with a larger disk",
}
_LOADED_GIB = {"cpu": 3, "nvidia": 12}


def system(facts: Facts, settings: Settings) -> Check:
    """Check that the roles support the distribution."""
    oldest = _SYSTEMS.get(facts.os.id)
    name = facts.os.name or "unknown system"
    if not facts.machine.can("packages"):
        name = f"{name} without apt-get"
    elif oldest and version_key(facts.os.version) >= oldest:
        return Check("system", "ok", name)
    return Check(
        "system", "blocker", f"{name} is not supported", "use Ubuntu >= 22.04 or Debian >= 11"
    )


def architecture(facts: Facts, settings: Settings) -> Check:
    """Check that the processor is x86_64; aarch64 may work."""
    arch = facts.kernel.arch
    if arch == "x86_64":
        return Check("architecture", "ok", arch)
    if arch == "aarch64":
        return Check("architecture", "warning", "aarch64 is untried", "prefer an x86_64 box")
    return Check("architecture", "blocker", f"{arch or 'unknown'}: no wheels", "use x86_64")


def root(facts: Facts, settings: Settings) -> Check:
    """Check that the login is root, or has sudo without a password."""
    machine = facts.machine
    if machine.root:
        how = "" if machine.root == "root" else " with sudo"
        return Check("root", "ok", machine.user + how)
    return Check(
        "root", "blocker", f"{machine.user} is neither root nor has sudo", "log in as root"
    )


def systemd(facts: Facts, settings: Settings) -> Check:
    """Report what runs the server: systemd, or a supervisord of onecard's own."""
    machine = facts.machine
    if machine.systemd and settings.user == "root":
        return Check(
            "systemd",
            "blocker",
            "service_user: root, which is for a pod whose volume gives files no other owner",
            "leave service_user out: the server gets an account of its own",
        )
    if machine.systemd:
        return Check("systemd", "ok", f"{machine.systemd_version} {machine.state}".strip())
    init = machine.init or "unknown"
    return Check("systemd", "ok", f"none (process 1 is {init}): supervisord runs the server")


def container(facts: Facts, settings: Settings) -> Check:
    """Report the kind of machine; in a container the driver is the host's."""
    box = facts.machine.container
    vm = "virtual machine" if box.vm == "unknown" else f"{box.vm} virtual machine"
    if not box.kind:
        kind = vm if box.vm else "bare metal"
        return Check("machine", "ok", " ".join((kind, box.product)).strip())
    parts = [f"{box.kind} container" + (f" of {box.provider}" if box.provider else "")]
    if forbidden := [each for each in facts.machine.forbidden if each not in _FROM_PACKAGES]:
        parts.append(f"it forbids {', '.join(forbidden)}: what needs them is skipped")
    if facts.machine.fuse is False:
        parts.append("no /dev/fuse: buckets cannot be mounted")
    if box.provider == "runpod":
        # docs.runpod.io, "Expose ports": HTTP access through proxy.runpod.net.
        parts.append(
            "its HTTP proxy ends a request after 100 s: smoke, bench and tunnel go through SSH"
        )
    return Check("machine", "ok", "; ".join(parts))


def clock(facts: Facts, settings: Settings) -> Check:
    """Check that the clock is within 5 minutes of this computer's."""
    skew = facts.machine.clock_skew
    # A minimal Debian has no client of a time server.
    fix = "apt-get install systemd-timesyncd; timedatectl set-ntp true"
    if skew is not None and abs(skew) > _SKEW:
        word = "ahead" if skew > 0 else "behind"
        return Check(
            "clock",
            "blocker",
            f"{abs(skew):.0f} s {word} of this computer: TLS and apt will fail",
            f"set it (date -s); {fix}"
            if facts.machine.can("clock")
            else "it is the host's: ask the provider, or take a pod on another machine",
        )
    if facts.machine.synchronised is False and not facts.machine.container.kind:
        return Check("clock", "warning", "follows no time server", fix)
    return Check("clock", "ok", "right" if skew is not None else "not compared")


def disk(facts: Facts, settings: Settings) -> Check:
    """Check the space for the virtual environment; the model's is checked before its download."""
    need = VENV_GIB[settings.accelerator]
    large = disk_path(settings.root, facts)
    for path in dict.fromkeys((large, "/var/lib")):
        room = facts.disk(path)
        if room is None:
            continue
        wanted = need if path == large else 1
        if room.free_gib < wanted:
            return Check(
                "disk",
                "blocker",
                f"{room.free_gib:.1f} GiB free at {path} ({room.mount}), {wanted} GiB needed",
                _MORE_DISK["pod" if facts.machine.container.kind else "machine"],
            )
        if room.inodes_total and room.inodes_free < 100_000:
            return Check(
                "disk",
                "blocker",
                f"{room.inodes_free} inodes free at {path}, a virtual environment takes 100000",
                "delete small files, or rent a larger disk",
            )
    opt = facts.disk(large)
    for room in facts.disks:
        if room.whole_cluster:
            return Check(
                "disk",
                "warning",
                f"{room.path} shows its provider's whole storage ({room.free_gib:.0f} GiB free); "
                "the volume's own limit cannot be read",
                f"compare the size that you ordered with {need} GiB and the model's",
            )
    return Check("disk", "ok", f"{opt.free_gib:.0f} GiB free at {large}" if opt else "not known")


def writable(facts: Facts, settings: Settings) -> Check:
    """Check that no path to be written is on a read-only mount."""
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
    """Check the main memory for vLLM's processes (weights pass through it, but do not stay)."""
    total = facts.memory.total_gib
    need = _LOADED_GIB[settings.accelerator]
    if total < need:
        return Check("memory", "blocker", f"{total:.1f} GiB, {need} GiB needed", "rent more memory")
    return Check("memory", "ok", f"{total:.0f} GiB, {facts.memory.available_gib:.0f} available")


def dpkg(facts: Facts, settings: Settings) -> Check:
    """Check that the last run of dpkg was finished; one that is running is not a failure."""
    broken = facts.packages.unfinished
    if facts.packages.interrupted:
        what = f"not finished: {', '.join(broken[:3])}" if broken else "interrupted"
        return Check("dpkg", "warning", f"dpkg {what}", "invoke provision")
    return Check("dpkg", "ok", "nothing unfinished")


def apt_lock(facts: Facts, settings: Settings) -> Check:
    """Check that no other process holds apt's locks; onecard waits for them."""
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
    """Check that there is a default route, and a name server."""
    net = facts.network
    if net.default_route and net.nameservers:
        return Check("network", "ok", f"{net.default_route}, DNS {net.nameservers[0]}")
    missing = "name server in /etc/resolv.conf" if net.default_route else "default route"
    return Check(
        "network",
        "warning",
        f"no {missing}: downloads need one",
        "ask the provider; ip route and /etc/resolv.conf show the configuration",
    )


def port(facts: Facts, settings: Settings) -> Check:
    """Check that the server's port is free, or in use by the server."""
    number = settings.serve.port
    listening = [one for one in facts.network.listeners if one.port == number]
    for one in listening:
        ours = one.process.lower().startswith(("vllm", "onecard")) or one.user == settings.user
        if not ours:
            whose = one.process or (f"a process of {one.user}" if one.user else "another process")
            return Check(
                "port",
                "warning",
                f"{number} is taken by {whose}{f' ({one.pid})' if one.pid else ''}",
                "set serve.port to another, or stop it",
            )
    if any(one.user == "root" for one in listening):
        return Check("port", "ok", f"{number} is used by a process of root, as the server is")
    return Check(
        "port", "ok", f"{number} is the server's own" if listening else f"{number} is free"
    )
