# NVIDIA's devices on the PCI bus, which are visible without a driver.
found=
for device in /sys/bus/pci/devices/*; do
  read -r vendor <"$device/vendor" || continue
  [ "$vendor" = 0x10de ] || continue
  found=yes
  read -r class <"$device/class"
  read -r id <"$device/device"
  driver=$(readlink "$device/driver")
  echo "device=${device##*/} ${class#0x} ${id#0x} ${driver##*/}"
done 2>/dev/null
if [ -d /sys/bus/pci ]; then echo bus=yes; fi
if [ "$found" ]; then
  lspci -D -mm -d 10de: 2>/dev/null | sed 's/^/lspci=/'
fi
:
