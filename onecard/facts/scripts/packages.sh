# The Debian packages of drivers and kernels, and the holders of apt's locks.
# Status-Abbrev: wanted (i, h for hold), state (i, else interrupted or only configuration left).
dpkg-query -W -f '${db:Status-Abbrev}|${Package}|${Version}|${Maintainer}\n' 2>/dev/null |
  awk -F '|' '
    $1 ~ /^h/ { print "hold=" $2 }
    $1 ~ /^.[HUFWt]/ { print "unfinished=" $2 }
    $1 ~ /^.i/ && $2 ~ /nvidia|^libcuda1$|^cuda-(drivers|keyring)/ { print "nvidia=" $2 "|" $3 "|" $4 }
    $1 ~ /^.i/ && $2 ~ /^(dkms|unattended-upgrades|linux-image-|linux-headers-)/ { print "other=" $2 "|" $3 "|" }'
for journal in /var/lib/dpkg/updates/[0-9]*; do
  [ -e "$journal" ] && echo "journal=${journal##*/}"
done
for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock \
  /var/cache/apt/archives/lock; do
  [ -e "$lock" ] || continue
  inode=$(stat -c %i "$lock")
  while read -r _ _ _ _ holder place _; do
    case "$place" in *:"$inode") ;; *) continue ;; esac
    [ -d "/proc/$holder" ] || continue
    for file in "/proc/$holder/fd/"*; do
      # An inode number alone could belong to another file system.
      if [ "$file" -ef "$lock" ]; then
        read -r name <"/proc/$holder/comm"
        echo "lock=$lock $holder $name"
        break
      fi
    done
  done </proc/locks
done 2>/dev/null
grep -hs 'Unattended-Upgrade "' /etc/apt/apt.conf.d/* | sed 's/^ */periodic=/'
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
  grep -qs 'developer.download.nvidia.com/compute/cuda' "$list" && echo "nvidia_source=$list"
done
:
