"""The start of the root shell: a command that any login shell takes, and why one did not.

sshd hands a command to the account's login shell, which may be fish or tcsh, may print, may run
something else (a forced command, a menu), or may never come to it (a start-up file with `exec`). So
the command is one line of letters, digits and `'"$()|+/=`, which they all read alike: it says that
sh has started, and decodes the rest. Nothing is written to its input before that.
"""

from __future__ import annotations

import base64
import gzip
import shlex

from onecard.ssh.errors import NO_COMMANDS, runs_no_commands
from onecard.ssh.prelude import PRELUDE

LOCK_FILE = "/run/lock/onecard.lock"
HOLDER_FILE = "/run/lock/onecard.holder"

# A lock whose holder's shell has ended is held by a job that it left running: wait for that.
# sudo's prompt is set to a known text, so that a second prompt means a wrong password.
# A script that ends early, or a file that cannot be written, leaves its rest in the pipe: `cat`
# discards it, or it would be parsed as the next request.
_BOOT = r"""
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
umask 022
prelude=$1
eval "$prelude"
_serve() {
while IFS=' ' read -r verb length; do
  case $verb in
    run)
      { echo "$prelude"; head -c "$length"; } | { sh; code=$?; cat >/dev/null; exit "$code"; }
      code=$? ;;
    lock)
      holder=$(head -c "$length") _lock=@lock@
      # An image may lack it, and a container's is not filled at its start.
      [ -d "${_lock%/*}" ] || mkdir -p "${_lock%/*}"
      exec 9>>"$_lock"
      if ! flock -n 9; then
        if kill -0 "$(sed -n 2p @holder@)" 2>/dev/null; then
          head -n 1 @holder@; exec 9>&-; printf '\n%s 75\n' "@nonce@"; continue
        fi
        echo "@nonce@ waiting for $(head -n 1 @holder@)"
        until flock -w 60 9; do echo "@nonce@ waiting for $(head -n 1 @holder@)"; done
      fi
      printf '%s\n%s\n' "$holder" "$$" >@holder@; code=0 ;;
    put)
      IFS= read -r path
      # Never readable by others, not even for a moment: it may be a secret.
      head -c "$length" | { umask 077; cat >"$path"; code=$?; cat >/dev/null; exit "$code"; }
      code=$? ;;
    '') continue ;; # the line end behind the first requests
    *) exit 64 ;;
  esac
  printf '\n%s %s\n' "@nonce@" "$code"
done
}
first=$2
if [ "$3" ]; then
  first=$(cat "$3")
  rm -f "$3"
fi
if [ "$first" ] && first=$(echo "$first" | base64 -d | gzip -dc 2>/dev/null); then
  echo "@nonce@ ready first"
  _serve <<first
$first
first
else
  echo "@nonce@ ready"
fi
_serve
exit 0
"""

# sudo prompts for a password before it checks whether the user may use it at all; only `-n -v`
# reports that at once. This avoids a useless password prompt. Where sudo itself fails, its code is
# 1. It writes its command to the log, where the first requests would be noise: they go by a file in
# memory, which only this account can read.
_LOGIN = r"""
export LC_ALL=C
boot=@boot@ prelude=@prelude@
if [ "$(id -u)" -eq 0 ] || [ @become@ = no ]; then exec sh -c "$boot" sh "$prelude" "$1"; fi
if ! command -v sudo >/dev/null 2>&1; then echo "@nonce@ no-sudo"; exit; fi
file=
if [ "$1" ] && file=$(mktemp -p /dev/shm 2>/dev/null); then printf %s "$1" >"$file"; fi
sudo -n sh -c "$boot" sh "$prelude" "" "$file"
[ $? -eq 1 ] || exit
[ ! "$file" ] || rm -f "$file"
output=$(sudo -n true 2>&1)
echo "@nonce@ user $(id -un) $(passwd -S 2>/dev/null | cut -d ' ' -f 2)"
case "$output $(sudo -n -v 2>&1)" in
  *"must have a tty"*) echo "@nonce@ no-tty"; exit ;;
  *"may not run sudo"*) echo "@nonce@ not-allowed"; exit ;;
esac
exec sudo -S -p "@nonce@ password
" sh -c "$boot" sh "$prelude"
"""

# Linux passes 128 KiB in one argument, and sshd passes the command in one.
_LONGEST_FIRST = 96 * 1024

# What a login prints that runs no command: the account's shell, and then all others.
_NO_LOGIN = ("account is currently not available", "account is not available", "nologin")


def login_command(
    nonce: str, *, become: bool = True, discard: bool = False, first: bytes = b""
) -> str:
    """Return the command to start over SSH: the boot shell, as root if `become`.

    It prints `NONCE sh` first; with discard `NONCE discards`, and then drops its input up to the
    line `NONCE`. It is sent at each login: within a connection's first ten segments (RFC 6928) it
    costs no further round trip.
    first: the first requests. A shell that has them prints `NONCE ready first`, and answers them;
    any other, such as one that waits for a password, `NONCE ready`: they are still to be sent.
    """
    boot = _BOOT.replace("@nonce@", nonce)
    boot = boot.replace("@lock@", LOCK_FILE).replace("@holder@", HOLDER_FILE)
    login = _LOGIN.replace("@nonce@", nonce).replace("@become@", "yes" if become else "no")
    login = login.replace("@boot@", shlex.quote(boot)).replace("@prelude@", shlex.quote(PRELUDE))
    if discard:
        login = f'while IFS= read -r _; do [ "$_" != {nonce} ] || break; done\n{login}'
    started = "discards" if discard else "sh"
    encoded = base64.b64encode(login.encode()).decode()
    command = f"exec /bin/sh -c 'echo {nonce} {started}; eval \"$(echo {encoded} | base64 -d)\"'"
    packed = base64.b64encode(gzip.compress(first, mtime=0)).decode() if first else ""
    return f"{command} sh {packed}" if 0 < len(packed) < _LONGEST_FIRST else command


def no_shell(host: str, printed: list[str], *, ended: bool) -> str:
    """Return why a login did not come to start sh, and what to do.

    printed: its lines. ended: whether it ended, or was given up.
    """
    text = "\n".join(printed)
    if runs_no_commands(text):
        return f"{host}: {NO_COMMANDS}"
    last = next((line.strip() for line in reversed(printed) if line.strip()), "")
    said = f", and printed: {last[:100]}" if last else ""
    if any(words in text for words in _NO_LOGIN):
        return f"{host}: the account's shell runs no commands{said}: log in as another user"
    if not ended:
        return (
            f"{host}: the login did not start sh, and waits{said}: it has a menu, or a forced "
            "command (command= in authorized_keys, ForceCommand), or its ~/.bashrc runs another "
            "program with `exec`: have it do so on a terminal only ([ -t 0 ]), or use another key "
            "or user"
        )
    return (
        f"{host}: the login did not start sh{said}: a forced command stands in its place "
        "(command= in authorized_keys, ForceCommand in sshd_config), or a start-up file ends "
        "it: use another key or user"
    )
