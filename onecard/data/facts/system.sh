# Who we are, what process 1 is, what kind of machine this is, and what time it thinks it is.
echo "epoch=$(date +%s)"
echo "uid=$(id -u)"
echo "user=$(id -un 2>/dev/null)"
if [ "$(id -u)" = 0 ]; then
  echo root=yes
else
  sudo -n true 2>/dev/null && echo root=sudo
fi
read -r init </proc/1/comm && echo "init=$init"
while read -r key value; do
  [ "$key" = CapEff: ] && echo "capabilities=$value"
done </proc/self/status
if [ -d /run/systemd/system ]; then
  echo systemd=yes
  systemctl --version 2>/dev/null | sed -n '1s/^/systemd_version=/p'
  echo "state=$(timeout 5 systemctl is-system-running 2>/dev/null)"
  timeout 5 systemctl show -p Id,LoadState,ActiveState,UnitFileState apt-daily.service \
    apt-daily-upgrade.service apt-daily-upgrade.timer unattended-upgrades.service \
    nvidia-persistenced.service nvidia-fabricmanager.service 2>/dev/null
  [ -e /run/systemd/timesync/synchronized ] && echo synchronised=yes ||
    timeout 5 timedatectl show -p NTPSynchronized 2>/dev/null
fi
echo "container=$(systemd-detect-virt --container 2>/dev/null)"
echo "vm=$(systemd-detect-virt --vm 2>/dev/null)"
[ -e /.dockerenv ] && echo marker=docker
[ -e /run/.containerenv ] && echo marker=podman
{ tr '\0' '\n' </proc/1/environ | sed -n 's/^container=/marker=/p'; } 2>/dev/null
[ -e /var/run/secrets/kubernetes.io ] && echo marker=kubernetes
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
