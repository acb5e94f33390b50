"""How apt is asked and told: what every resource made of Debian packages has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from onecard.diagnosis import diagnose, shipped_rules
from onecard.resources.base import Resource

# A box fresh from its provider often has unattended-upgrades at work: wait for it, never break in.
# Noninteractive: a package's question must not stop a run that nobody watches.
APT_GET = (
    "env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a apt-get -q -y "
    "-o DPkg::Lock::Timeout={wait} -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "
    "-o Dpkg::Options::=--force-confold"
)


# It lists what the sources have; what is merely installed, or named by others, is not in it.
MADISON = 'apt-cache madison -- "$package" 2>/dev/null'
# Without the first of them a held package is not moved along with another that needs it.
MOVE_HELD = "--ignore-hold --allow-change-held-packages"


def states(names: str) -> str:
    """Return shell that prints a line for each of these packages or patterns: `hi  nvidia-open`.

    The first letter is what is wanted (i, h for hold), the second what is (i for installed).
    """
    return f"dpkg-query -W -f '${{db:Status-Abbrev}} ${{Package}}\\n' -- {names}"


def hold(names: str) -> str:
    """Return shell that holds those of these packages that are installed and free to move."""
    return f"{states(names)} 2>/dev/null | sed -n 's/^ii *//p' | xargs -r apt-mark hold"


# apt-get forgets the hold of what it moves.
KEEP_HOLDS = f"""\
held=$(apt-mark showhold)
hold_again() {{ [ -z "$held" ] || {hold("$held")}; }}
trap hold_again EXIT"""


def update(wait: int) -> str:
    """Return shell that fetches the package lists; `said` is what it printed.

    wait: seconds to wait for another process that fetches them, which apt-get itself does not.
    """
    return _UPDATE.format(apt_get=APT_GET.format(wait=wait), wait=wait)


_UPDATE = """\
deadline=$(($(date +%s) + {wait}))
until said=$({apt_get} update 2>&1); do
  case "$said" in
    *"Could not get lock /var/lib/apt/lists/"*)
      [ "$(date +%s)" -ge $deadline ] || {{ sleep 1; continue; }} ;;
  esac
  printf '%s\\n' "$said"; exit 100
done
printf '%s\\n' "$said\""""


def reason(output: Sequence[str]) -> str:
    """Return why apt, dpkg or update-initramfs failed, with the fix, in a line; '' if unknown.

    output: the last lines that it printed. The knowledge is that of the diagnosis.
    """
    rules = (rule for rule in shipped_rules() if rule.stage == "apt")
    found = diagnose("\n".join(output), rules)
    return f"{found.cause} {found.fix}" if found.rule else ""


class AptGet(Resource):
    """What apt-get mends."""

    accepts: ClassVar[Mapping[int, str]] = MappingProxyType(
        {0: "every package is known", 1: "dpkg does not know one of them"}
    )

    def trouble(self, output: Sequence[str]) -> str:
        return reason(output)
