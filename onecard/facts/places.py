"""Where onecard's folders lie on a box: at their usual places, or on a volume."""

from __future__ import annotations

from onecard.box import paths
from onecard.facts.model import Facts
from onecard.settings.setting_model import AUTO

# What RunPod and Vast mount their volume at; of a pod that was stopped, it alone is left.
WORKSPACE = "/workspace"

# The usual place -> its name in the folder on the volume.
NAMES = {paths.HOME: "opt", paths.ETC: "etc", paths.STATE: "state", paths.CACHE: "cache"}


def volume_folder(setting: str, facts: Facts) -> str:
    """Return the folder that holds all of onecard's folders; empty where each is at its own place.

    setting: `root:`. auto: on the volume of a box that has one and no systemd.
    """
    if setting == paths.HOME:
        return ""
    if setting != AUTO:
        return setting
    on_volume = not facts.machine.systemd and WORKSPACE in facts.volumes
    return f"{WORKSPACE}/onecard" if on_volume else ""


def boot_script(setting: str, facts: Facts) -> str:
    """Return the script that starts a pod's services; on a volume it outlives a stop."""
    return f"{volume_folder(setting, facts) or paths.HOME}/boot.sh"


def pending(setting: str, facts: Facts) -> bool:
    """Return whether the usual places do not lead to the volume yet, or no more.

    So it is before the first provision, and after a stop of a pod deleted all but its volume.
    """
    folder = volume_folder(setting, facts)
    return bool(folder) and facts.root != f"{folder}/{NAMES[paths.HOME]}"


def disk_path(setting: str, facts: Facts) -> str:
    """Return a path of `facts.disks` on the disk that holds environments and models."""
    folder = volume_folder(setting, facts)
    mounts = [mount for mount in facts.volumes if f"{folder}/".startswith(f"{mount}/")]
    return max(mounts, key=len) if folder and mounts else "/opt"
