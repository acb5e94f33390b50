# Space, inodes and read-only mounts of the paths that are written, and of every real file system.
# A run of df takes longer than what it reads: one is for all paths. df hangs for ever on a dead
# network mount; only KILL ends it, and then each path has a run of its own.
sizes() { timeout -s KILL 5 df "$1" -- "$2" 2>/dev/null | sed -n 2p; }
shown() {
  [ "$2" ] && printf 'path=%s\nblocks=%s\ninodes=%s\n' "$1" "$2" "$3"
}
count() { # into $lines, the number of lines of a text
  set -f
  IFS='
'
  set -- $1
  unset IFS
  set +f
  lines=$#
}
rooms() { # the paths that exist; in $names, each on a line, what they stand for
  blocks=$(timeout -s KILL 5 df -Pk -- "$@" 2>/dev/null)
  inodes=$(timeout -s KILL 5 df -Pi -- "$@" 2>/dev/null)
  count "$blocks
$inodes"
  if [ "$lines" = $(($# + $# + 2)) ]; then
    while IFS= read -r name <&3 && IFS= read -r block <&4 && IFS= read -r inode <&5; do
      shown "$name" "$block" "$inode"
    done 3<<names 4<<blocks 5<<inodes
$names
names
${blocks#*
}
blocks
${inodes#*
}
inodes
    return
  fi
  for at; do
    shown "${names%%
*}" "$(sizes -Pk "$at")" "$(sizes -Pi "$at")"
    names=${names#*
}
  done
}
[ -L /opt/onecard ] && echo "root=$(readlink /opt/onecard)"
hub=${HF_HOME:-${HOME:-/root}/.cache/huggingface}
# File systems with files: no pseudo file system, no layer or volume of a container, each device once,
# and a pod's volume, which may be a folder of the same disk as another mount.
awk '$3 ~ /^(ext[234]|xfs|btrfs|zfs|f2fs|bcachefs|vfat|exfat|nfs4?|cifs|smb3|ceph|lustre|virtiofs|9p)$/ ||
  $3 ~ /^fuse(blk)?$|^fuse\./ && $3 !~ /^fuse\.(lxcfs|snapfuse|portal|gvfsd-fuse)$/ {
    if ($2 !~ /^\/(run|snap|var\/snap|var\/lib\/(docker|containerd|containers|kubelet))\//) print $1, $4, $2 }
  { options[$2] = $4 }
  END { for (at in options) if (options[at] ~ /^ro(,|$)/) print "read_only=" at }' /proc/mounts | {
  set --
  names=
  for path in / /opt /var /var/lib /home /tmp "$hub"; do
    at=$path
    while [ ! -e "$at" ]; do
      at=${at%/*}
      at=${at:-/}
    done
    set -- "$@" "$at"
    names="$names$path
"
  done
  seen=
  while read -r device options mount; do
    case "$device" in read_only=*) printf '%s\n' "$device"; continue ;; esac
    case "$mount" in *\\*) mount=$(printf '%b' "$mount") ;; esac # a space in it is written \040
    [ -d "$mount" ] || continue # a file of the host, mounted into a container
    case "$mount" in
      */.* | / | /boot* | /efi* | /etc* | /usr* | /opt | /var | /home | /tmp | /proc* | /sys* | /dev*) ;;
      *) case "$options" in rw | rw,*) echo "volume=$mount" ;; esac ;;
    esac
    case "$seen$mount" in
      *" $device "*/workspace) ;;
      *" $device "*) continue ;;
    esac
    seen="$seen $device "
    [ "$mount" = / ] && continue
    set -- "$@" "$mount"
    names="$names$mount
"
  done
  rooms "$@"
}
:
