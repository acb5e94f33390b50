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
# The inodes of the locks that are held; an inode number alone could belong to another file system.
{
  stat -c '%i %n' /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock \
    /var/cache/apt/archives/lock
  cat /proc/locks
} 2>/dev/null | awk '
  NF == 2 { lock[$1] = $2; next }
  split($6, place, ":") == 3 && place[3] in lock { print lock[place[3]], $5 }' |
  while read -r lock holder; do
    for file in "/proc/$holder/fd/"*; do
      if [ "$file" -ef "$lock" ]; then
        read -r name <"/proc/$holder/comm"
        echo "lock=$lock $holder $name"
        break
      fi
    done
  done 2>/dev/null
sed -n '/Unattended-Upgrade "/s/^ */periodic=/p' /etc/apt/apt.conf.d/* 2>/dev/null
grep -ls 'developer.download.nvidia.com/compute/cuda' /etc/apt/sources.list /etc/apt/sources.list.d/* |
  while IFS= read -r list; do echo "nvidia_source=$list"; done
:
