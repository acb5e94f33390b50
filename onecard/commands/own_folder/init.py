"""`invoke init`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from onecard.errors import UsageError

TASKS: Final = '''\
"""onecard's commands for `invoke` in this folder; add tasks of your own to the collection."""

from onecard.cli.program import namespace  # noqa: F401
'''

HOSTS: Final = """\
# Which boxes there are, in Ansible's YAML shape. `onecard hosts` shows what onecard makes of it.
#
# A box with a GPU, as a rental company gives it to you (take the # away, keep the indentation):
#
#     a100-1:                            # the name you type: onecard provision --host a100-1
#       ansible_host: 203.0.113.10       # its address, or an alias from ~/.ssh/config
#       ansible_user: root               # or an account that may use sudo
#       ansible_port: 22
#       ansible_ssh_private_key_file: ~/.ssh/id_ed25519   # unless the agent has the key
#       serve:                           # any setting, for this box alone
#         ctx: 65536
#
# Settings of all boxes: group_vars/all.yml; of these: group_vars/gpu.yml. Every setting with its
# default: docs/settings.md. Passwords never stand here: they are prompted for.

all:
  children:
    gpu:
      hosts:
"""

GITIGNORE: Final = """\
# what runs leave
/runs/
/report-*
/.onecard/
__pycache__/
# secrets, and copies of them
/inventory/secrets.json
/inventory/kept/
# boxes on this computer
/inventory/sandbox.yml
/inventory/group_vars/sandbox.yml
/inventory/locks/box*.yml
.*.onecard-new
"""

FILES: Final = {"tasks.py": TASKS, "inventory/hosts.yml": HOSTS, ".gitignore": GITIGNORE}


def init(directory: str) -> int:
    """Make a folder of one's own; write nothing if one of its files exists."""
    folder = Path(directory).expanduser()
    present = [name for name in ("tasks.py", "inventory", ".gitignore") if (folder / name).exists()]
    if present:
        raise UsageError(
            f"{folder}: holds {', '.join(present)} already, and init overwrites nothing; name "
            "a new folder"
        )
    try:
        for name, text in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}") from error
    print(f"made {folder}: {', '.join(FILES)}")
    print()
    print("next:")
    print(f"    cd {folder}")
    print("    add your box to inventory/hosts.yml")
    print("    invoke trust && invoke doctor      # its host key, and what is wrong with it")
    print("    invoke provision && invoke deploy && invoke smoke")
    return 0
