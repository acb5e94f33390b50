# Room, inodes and read-only mounts where things will be written.
hub=${HF_HOME:-${HOME:-/root}/.cache/huggingface}
for path in / /opt /var /var/lib /home /tmp "$hub"; do
  at=$path
  while [ ! -e "$at" ]; do
    at=${at%/*}
    at=${at:-/}
  done
  echo "path=$path"
  set -- "$@" "$at"
done
df -Pk "$@" 2>/dev/null | sed -n '2,$s/^/blocks=/p'
df -Pi "$@" 2>/dev/null | sed -n '2,$s/^/inodes=/p'
awk '{ options[$2] = $4 } END { for (at in options) if (options[at] ~ /^ro(,|$)/) print "read_only=" at }' \
  /proc/mounts
:
