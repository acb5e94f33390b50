"""apt's commands: what all resources made of Debian packages have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar

from onecard.resources.base import Resource

# On a new box unattended-upgrades is often running: wait for it, never interrupt it.
# Noninteractive: a package's prompt must not block an unattended run.
APT_GET = (
    "env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a apt-get -q -y "
    "-o DPkg::Lock::Timeout={wait} -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "
    "-o Dpkg::Options::=--force-confold"
)


# Lists what the sources have, not what is only installed or required by others.
MADISON = 'apt-cache madison -- "$package" 2>/dev/null'
# Without the first, a held package is not upgraded together with another that needs it.
MOVE_HELD = "--ignore-hold --allow-change-held-packages"


def states(names: str) -> str:
    """Return shell that prints a line for each of these packages or patterns: `hi  nvidia-open`.

    The first letter is the desired state (i, h for hold), the second the actual (i: installed).
    """
    return f"dpkg-query -W -f '${{db:Status-Abbrev}} ${{Package}}\\n' -- {names}"


def hold(names: str) -> str:
    """Return shell that holds those of these packages that are installed and not held."""
    return f"{states(names)} 2>/dev/null | sed -n 's/^ii *//p' | xargs -r apt-mark hold"


# apt-get removes the hold of what it upgrades.
RESTORE_HOLDS = f"""\
held=$(apt-mark showhold)
hold_again() {{ [ -z "$held" ] || {hold("$held")}; }}
trap hold_again EXIT"""


def update(wait: int) -> str:
    """Return shell that updates the package lists, with the output in `updated`.

    wait: seconds to wait for another process that updates them; apt-get itself does not wait.
    """
    return _UPDATE.format(apt_get=APT_GET.format(wait=wait), wait=wait)


_UPDATE = """\
deadline=$(($(date +%s) + {wait}))
until updated=$({apt_get} update 2>&1); do
  case "$updated" in
    *"Could not get lock /var/lib/apt/lists/"*)
      [ "$(date +%s)" -ge $deadline ] || {{ sleep 1; continue; }} ;;
  esac
  printf '%s\\n' "$updated"; exit 100
done
printf '%s\\n' "$updated\""""


def reason(output: Sequence[str]) -> str:
    """Return why apt, dpkg or update-initramfs failed, with the fix, in a line; '' if unknown.

    output: the last lines that it printed. The rules are those of the diagnosis.
    """
    # Only where something failed: its rules take longer to load than a box in order takes to read.
    from onecard.diagnosis import diagnose, shipped_rules

    rules = (rule for rule in shipped_rules() if rule.stage == "apt")
    found = diagnose("\n".join(output), rules)
    return f"{found.cause} {found.fix}" if found.rule else ""


class AptGet(Resource):
    """A resource that apt-get fixes."""

    accepts: ClassVar[Mapping[int, str]] = MappingProxyType(
        {0: "every package is known", 1: "dpkg does not know one of them"}
    )

    def trouble(self, output: Sequence[str]) -> str:
        return reason(output)
