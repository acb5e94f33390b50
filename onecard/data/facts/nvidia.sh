# The NVIDIA driver: the module loaded, the module on disk, and what nvidia-smi says.
sed 's/^/proc=/' /proc/driver/nvidia/version 2>/dev/null
for module in nvidia nvidia_uvm nouveau; do
  [ -d "/sys/module/$module" ] && echo "module=$module"
done
read -r loaded 2>/dev/null </sys/module/nvidia/version && echo "loaded=$loaded"
on_disk=$(modinfo -F version nvidia 2>/dev/null) && echo "on_disk=$on_disk"
grep -lsE '^[[:space:]]*(blacklist|install)[[:space:]]+nouveau' /etc/modprobe.d/*.conf \
  /run/modprobe.d/*.conf /usr/lib/modprobe.d/*.conf /lib/modprobe.d/*.conf | sed 's/^/blacklist=/'
for node in /dev/nvidia*; do
  [ -c "$node" ] && echo "node=$node"
done
[ -e /usr/bin/nvidia-uninstall ] && echo runfile=yes
if command -v nv-fabricmanager >/dev/null 2>&1; then
  nv-fabricmanager --version 2>/dev/null | sed 's/^/fabric_manager=/'
fi
if command -v nvidia-smi >/dev/null 2>&1; then
  echo smi=yes
  # At once, because each call starts the driver anew where persistence is off; and never for
  # long, because a card that fell off the bus hangs it; 8 cards take more than 20 s to start.
  first=index,name,uuid,driver_version,memory.total,memory.used,pci.bus_id,persistence_mode
  more=compute_cap,mig.mode.current,ecc.mode.current,ecc.errors.uncorrected.volatile.total
  ask() { timeout 60 nvidia-smi "$@" --format=csv,noheader,nounits 2>&1; }
  {
    answer=$(ask --query-gpu="$first,$more"); code=$?
    case "$answer" in
      *'is not a valid field'*) answer=$(ask --query-gpu="$first"); code=$? ;;
    esac
    printf '%s\nexit=%s\n' "$answer" "$code" | sed '/^exit=/!s/^/gpu=/'
  } &
  ask --query-compute-apps=gpu_uuid,pid,used_memory,process_name | sed 's/^/app=/' &
  timeout 60 nvidia-smi -L 2>&1 | sed 's/^ */list=/' &
  timeout 60 nvidia-smi 2>&1 | sed -n 's/^.*CUDA[A-Z ]* Version: *\([0-9.]*\).*/cuda=\1/p' &
  wait
fi
:
