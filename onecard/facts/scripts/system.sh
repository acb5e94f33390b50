# Login, process 1, kind of machine, clock.
echo "epoch=$(date +%s)"
uid=$(id -u)
user=$(id -un 2>/dev/null)
echo "uid=$uid"
echo "user=$user"
if [ "$uid" = 0 ]; then
  echo root=yes
else
  sudo -n true 2>/dev/null && echo root=sudo
fi
read -r init </proc/1/comm && echo "init=$init"
while read -r key value; do
  case $key in
    CapEff:) echo "capabilities=$value" ;;
    NoNewPrivs:) echo "no_new_privs=$value" ;;
  esac
done </proc/self/status
# A file system that is mounted read-only cannot be written by root either.
[ "$uid" = 0 ] && [ ! -w /proc/sys/net/core/somaxconn ] && echo proc_sys=read-only
for program in apt-get useradd; do
  command -v "$program" >/dev/null 2>&1 || echo "missing=$program"
done
account=$(getent passwd "${SUDO_USER:-$user}" 2>/dev/null)
echo "shell=${account##*:}"
[ -e /dev/fuse ] && echo fuse=yes || echo fuse=no
if [ -d /run/systemd/system ]; then
  echo systemd=yes
  version=$(systemctl --version 2>/dev/null)
  echo "systemd_version=${version%%
*}"
  echo "state=$(timeout 5 systemctl is-system-running 2>/dev/null)"
  # systemd takes 5 ms for each unit.
  timeout 5 systemctl show -p Id,LoadState,ActiveState,UnitFileState \
    nvidia-fabricmanager.service 2>/dev/null
  [ -e /run/systemd/timesync/synchronized ] && echo synchronised=yes ||
    timeout 5 timedatectl show -p NTPSynchronized 2>/dev/null
fi
echo "container=$(systemd-detect-virt --container 2>/dev/null)"
echo "vm=$(systemd-detect-virt --vm 2>/dev/null)"
[ -e /.dockerenv ] && echo marker=docker
[ -e /run/.containerenv ] && echo marker=podman
[ -e /var/run/secrets/kubernetes.io ] && echo marker=kubernetes
# Of process 1, because a login over SSH has an environment of its own; no value but `container`'s.
{
  tr '\0' '\n' </proc/1/environ | sed -n 's/^container=/marker=/p
    s/^\(RUNPOD_POD_ID\|VAST_CONTAINERLABEL\|CONTAINER_ID\)=.*/variable=\1/p
    s/^KUBERNETES_SERVICE_HOST=.*/marker=kubernetes/p'
} 2>/dev/null
{
  grep -oE 'kubepods|libpod|docker|lxc' /proc/1/cgroup
  awk '$5 == "/" && match($0, /libpod|docker|containerd/) { print substr($0, RSTART, RLENGTH) }' /proc/1/mountinfo
} 2>/dev/null | sort -u | sed 's/^/hint=/'
read -r vendor 2>/dev/null </sys/class/dmi/id/sys_vendor && echo "vendor=$vendor"
read -r product 2>/dev/null </sys/class/dmi/id/product_name && echo "product=$product"
grep -qs '^flags.* hypervisor' /proc/cpuinfo && echo hypervisor=yes
if [ -e /run/cloud-init/disabled ]; then
  echo cloud_init=disabled
elif [ -e /run/cloud-init/result.json ]; then
  tr -d ' \n' </run/cloud-init/result.json | grep -q '"errors":\[\]' && echo cloud_init=done || echo cloud_init=error
elif [ -e /run/cloud-init/status.json ]; then
  echo cloud_init=running
fi
:
