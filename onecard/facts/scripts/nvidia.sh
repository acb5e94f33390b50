# The NVIDIA driver: the loaded module, the module on disk, and the output of nvidia-smi.
sed 's/^/proc=/' /proc/driver/nvidia/version 2>/dev/null
for module in nvidia nvidia_uvm nouveau; do
  [ -d "/sys/module/$module" ] && echo "module=$module"
done
read -r loaded 2>/dev/null </sys/module/nvidia/version && echo "loaded=$loaded"
if on_disk=$(modinfo -F version nvidia 2>/dev/null); then
  echo "on_disk=$on_disk"
  # The open module's license is `Dual MIT/GPL`, the closed one's `NVIDIA`.
  echo "license=$(modinfo -F license nvidia 2>/dev/null)"
  echo "signature=$(modinfo -F sig_id nvidia 2>/dev/null)"
  echo "signer=$(modinfo -F signer nvidia 2>/dev/null)"
fi
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
  # In parallel, because each call loads the driver's state again if persistence is off; with a
  # timeout, because a card that fell off the bus hangs it; 8 cards take more than 20 s to start.
  first=index,name,uuid,driver_version,memory.total,memory.used,pci.bus_id,persistence_mode
  more=compute_cap,mig.mode.current,ecc.mode.current,ecc.errors.uncorrected.volatile.total
  query() { timeout 60 nvidia-smi "$@" --format=csv,noheader,nounits 2>&1; }
  {
    answer=$(query --query-gpu="$first,$more"); code=$?
    case "$answer" in
      *'is not a valid field'*) answer=$(query --query-gpu="$first"); code=$? ;;
    esac
    printf '%s\nexit=%s\n' "$answer" "$code" | sed '/^exit=/!s/^/gpu=/'
  } &
  query --query-compute-apps=gpu_uuid,pid,used_memory,process_name | sed 's/^/app=/' &
  timeout 60 nvidia-smi -L 2>&1 | sed 's/^ */list=/' &
  timeout 60 nvidia-smi 2>&1 | sed -n 's/^.*CUDA[A-Z ]* Version: *\([0-9.]*\).*/cuda=\1/p' &
  wait
fi
:
