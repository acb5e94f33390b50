# Room, inodes and read-only mounts where things will be written, and on every real file system.
room() {
  # A dead network mount would hang for ever, and only KILL ends such a wait.
  blocks=$(timeout -s KILL 5 df -Pk "$2" 2>/dev/null | sed -n '2s/^/blocks=/p')
  [ "$blocks" ] || return
  printf 'path=%s\n%s\n' "$1" "$blocks"
  inodes=$(timeout -s KILL 5 df -Pi "$2" 2>/dev/null | sed -n '2s/^/inodes=/p')
  echo "${inodes:-inodes=}"
}
hub=${HF_HOME:-${HOME:-/root}/.cache/huggingface}
for path in / /opt /var /var/lib /home /tmp "$hub"; do
  at=$path
  while [ ! -e "$at" ]; do
    at=${at%/*}
    at=${at:-/}
  done
  room "$path" "$at"
done
# What holds files: no pseudo file system, no layer or volume of a container, each device once.
awk '$3 ~ /^(ext[234]|xfs|btrfs|zfs|f2fs|bcachefs|vfat|exfat|nfs4?|cifs|smb3|ceph|lustre|virtiofs|9p)$/ ||
  $3 ~ /^fuse(blk)?$|^fuse\./ && $3 !~ /^fuse\.(lxcfs|snapfuse|portal|gvfsd-fuse)$/ {
    if ($2 !~ /^\/(run|snap|var\/snap|var\/lib\/(docker|containerd|containers|kubelet))\//) print $1, $2 }' \
  /proc/mounts | {
  seen=
  while read -r device mount; do
    mount=$(printf '%b' "$mount") # a space in it is written \040
    case "$seen" in *" $device "*) continue ;; esac
    [ -d "$mount" ] || continue # a file of the host's, shown to a container
    seen="$seen $device "
    [ "$mount" = / ] || room "$mount" "$mount"
  done
}
awk '{ options[$2] = $4 } END { for (at in options) if (options[at] ~ /^ro(,|$)/) print "read_only=" at }' \
  /proc/mounts
:
