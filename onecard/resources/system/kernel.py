"""Kernel settings and modules."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onecard.box.paths import SYSCTL
from onecard.resources.apt.apt_get import reason
from onecard.resources.base import Differences, Resource, State, Value, fields
from onecard.resources.files.file import File
from onecard.ssh.probe_batch import Answer


@dataclass(frozen=True)
class Sysctl(Resource):
    """Kernel settings, applied now and after each reboot.

    values: key (`net.core.somaxconn`) and value, in pairs.
    """

    values: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        return f"sysctl {' '.join(key for key, _ in self.values)}"

    def probe(self) -> str:
        # Not `read`: dash reads byte by byte, and a number's file here ends after the first read.
        lines = [f'echo "{key}=$(cat {_place(key)} 2>/dev/null)"' for key, _ in self.values]
        return "\n".join([*lines, self.file.digest_probe("file")])

    def read(self, answer: Answer) -> State:
        return {key: " ".join(value.split()) for key, value in fields(answer.output).items()}

    def desired(self) -> State:
        return {**dict(self.values), "file": self.file.digest}

    def fix(self, differences: Differences, actual: State) -> str:
        lines = [self.file.write()] if "file" in differences else []
        lines += [
            # Not sysctl(8): a bare box may lack procps.
            f"echo {shlex.quote(value)} >{_place(key)}"
            for key, value in self.values
            if key in differences
        ]
        return "\n".join(lines)

    @property
    def file(self) -> File:
        """The file that sets the values at boot."""
        text = "".join(f"{key} = {value}\n" for key, value in self.values)
        return File(SYSCTL, content="# Written by onecard.\n" + text)


def _place(key: str) -> str:
    return shlex.quote(f"/proc/sys/{key.replace('.', '/')}")


# All images: the kernel of the next boot is unknown, and `update-initramfs -u` updates the newest.
# Ubuntu's dracut has its own update-initramfs; Debian's may have none.
_REBUILD = """\
if command -v update-initramfs >/dev/null; then update-initramfs -u -k all
elif command -v dracut >/dev/null; then dracut --force --regenerate-all; fi"""

# A backup beside the images, or the image of a removed kernel, is not rebuilt.
_OLDER = """\
initramfs=current
for image in /boot/initrd.img-*; do
  [ -e "/boot/vmlinuz-${{image#/boot/initrd.img-}}" ] || continue
  [ ! {file} -nt "$image" ] || initramfs=older
done
command -v update-initramfs >/dev/null || command -v dracut >/dev/null || initramfs=current
echo initramfs=$initramfs"""


@dataclass(frozen=True)
class KernelModules(Resource):
    """Modules that are loaded, now and at each boot, and modules that a boot must not load.

    A blacklisted module that is loaded stays until the next reboot: a program may be using it.
    """

    load: tuple[str, ...] = ()
    blacklist: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        words = (*self.load, *(f"not {module}" for module in self.blacklist))
        return f"kernel modules {' '.join(words)}"

    def probe(self) -> str:
        lines = [
            f"[ ! -e /sys/module/{module.replace('-', '_')} ] || echo {module}=loaded"
            for module in self.load
        ]
        lines += [file.digest_probe(key) for key, file in self._files.items()]
        if self.blacklist:
            # After a failed rebuild the initial RAM disk is older than the file.
            lines.append(_OLDER.format(file=self._files["blacklist file"].path))
        return "\n".join(lines)

    def read(self, answer: Answer) -> State:
        return fields(answer.output)

    def desired(self) -> State:
        loaded: dict[str, Value] = dict.fromkeys(self.load, "loaded")
        initramfs: dict[str, Value] = {"initramfs": "current"} if self.blacklist else {}
        return loaded | initramfs | {key: file.digest for key, file in self._files.items()}

    def fix(self, differences: Differences, actual: State) -> str:
        lines = [file.write() for key, file in self._files.items() if key in differences]
        if "initramfs" in differences and "blacklist file" not in differences:
            lines.append(_REBUILD)
        lines += [f"modprobe {shlex.quote(name)}" for name in self.load if name in differences]
        return "\n".join(lines)

    def trouble(self, output: Sequence[str]) -> str:
        return reason(output)

    @property
    def _files(self) -> Mapping[str, File]:
        files = {}
        if self.load:
            text = "".join(f"{module}\n" for module in self.load)
            files["load file"] = File("/etc/modules-load.d/onecard.conf", content=text)
        if self.blacklist:
            text = "".join(
                f"blacklist {module}\noptions {module} modeset=0\n" for module in self.blacklist
            )
            files["blacklist file"] = File(
                "/etc/modprobe.d/onecard-blacklist.conf",
                content=text,
                # The initial RAM disk has a copy of this file, which is read first.
                after=_REBUILD,
            )
        return files
