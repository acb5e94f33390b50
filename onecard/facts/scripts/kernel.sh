# The running kernel, its headers, newer installed ones, Secure Boot and the keys enrolled for it.
read -r release </proc/sys/kernel/osrelease
echo "release=$release"
echo "arch=$(uname -m)"
[ -e "/lib/modules/$release/build/Makefile" ] && echo headers=yes
[ -e "/lib/modules/$release/modules.dep" ] && echo modules=yes
read -r boot_id </proc/sys/kernel/random/boot_id && echo "boot_id=$boot_id"
read -r uptime _ </proc/uptime && echo "uptime=$uptime"
for image in /boot/vmlinuz-*; do
  [ -e "$image" ] && echo "image=${image#/boot/vmlinuz-}"
done
if [ -e /run/reboot-required ]; then
  echo reboot_required=yes
  sed 's/^/reboot_package=/' /run/reboot-required.pkgs 2>/dev/null
fi
if [ ! -d /sys/firmware/efi ]; then
  echo secure_boot=off
else
  # An EFI variable is four bytes of attributes, then its value: 1 when Secure Boot is on.
  byte=$(od -An -t u1 -j 4 -N 1 \
    /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c 2>/dev/null)
  case "$byte" in
    *1) echo secure_boot=on ;;
    *0) echo secure_boot=off ;;
    *) case "$(mokutil --sb-state 2>/dev/null)" in
         *enabled*) echo secure_boot=on ;;
         *disabled*) echo secure_boot=off ;;
       esac ;;
  esac
fi
if [ -d /sys/firmware/efi ] && command -v mokutil >/dev/null 2>&1; then
  # The machine owner's keys (MOK), which sign modules beside the distribution's own.
  mokutil --list-enrolled 2>/dev/null | sed -n 's/^ *Subject:.*CN *= *\([^,/]*\).*/enrolled_key=\1/p'
  # The certificate of the key that DKMS signs with: its setting, else Ubuntu's, else its own.
  set_to=$(cat /etc/dkms/framework.conf /etc/dkms/framework.conf.d/*.conf 2>/dev/null |
    sed -n 's/^ *mok_certificate=["'\'']*\([^"'\'']*\).*/\1/p' | tail -n 1)
  state=none
  for certificate in "$set_to" /var/lib/shim-signed/mok/MOK.der /var/lib/dkms/mok.pub; do
    [ -f "$certificate" ] || continue
    case "$(mokutil --test-key "$certificate" 2>&1)" in
      *"already enrolled"*) state=enrolled ;;
      *"enrollment request"*) state=pending ;;
      *"not enrolled"*) state=loose ;;
      *) state= ;;
    esac
    break
  done
  echo "signing_key=$state"
fi
:
