#!/bin/sh
# Prepare a GPU machine that has no network and no systemd (root, x86-64, Ubuntu 24.04 with PyTorch):
#
#     sh tests/gpu/prepare.sh FOLDER          # FOLDER: what bundle.py filled
#
# makes, in FOLDER, the rest of the wheelhouse from what is installed here, onecard's own environment
# (venv/), and the tree that pods are started from (image/): this machine's Ubuntu with sshd.
set -eu
folder=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
cd "$folder"

# shellcheck disable=SC2046 # names, one a word
python3 "$here/installed_wheels.py" wheelhouse $(cat "$here/present.txt") >installed.log 2>&1 &
wheels=$!

/usr/bin/python3 -m venv venv
venv/bin/pip install --quiet --no-index --no-deps controller/*.whl
site=$(echo venv/lib/python3*/site-packages)
# After what is in the environment itself: numpy, matplotlib and pillow are this machine's.
{
    dirname "$(dirname "$here")"
    python3 -c 'import numpy, pathlib; print(pathlib.Path(numpy.__file__).parents[1])'
} >"$site/machine.pth"

mkdir -p image/usr image/workspace sshd
for deb in debs/*.deb; do dpkg -x "$deb" sshd; done
for each in /etc /var /root /home; do cp -a "$each" image/; done
tar -C /usr --exclude=./local/nvidia --exclude='./local/cuda*' --exclude=./share/doc -cf - . |
    tar -C image/usr -xf -
for link in bin sbin lib lib64 lib32; do [ ! -L /$link ] || cp -a /$link image/; done
tar -C sshd -cf - . | tar -C image -xf - --keep-directory-symlink --skip-old-files
for each in dev proc sys run tmp srv mnt opt media boot run/sshd usr/local/nvidia etc/ssh; do
    mkdir -p "image/$each"
done
chmod 1777 image/tmp
[ -c image/dev/null ] || mknod -m 666 image/dev/null c 1 3
: >image/.dockerenv
rm -f image/etc/ssh/ssh_host_* image/etc/machine-id
chroot image useradd --system --shell /usr/sbin/nologin --home /nonexistent sshd 2>/dev/null || :
cat >image/etc/ssh/sshd_config <<'END'
Port 2222
ListenAddress 127.0.0.1
PermitRootLogin prohibit-password
UsePAM no
END
cat >image/start.sh <<'END'
#!/bin/sh
ldconfig
ssh-keygen -A >/dev/null
mkdir -p /run/sshd /run/lock
/usr/sbin/sshd -D &
sshd=$!
trap 'kill -TERM $sshd' TERM
[ ! -f /post_start.sh ] || bash /post_start.sh
while kill -0 $sshd 2>/dev/null; do wait $sshd; done
END
chmod 755 image/start.sh
libraries=$(find /usr/local/nvidia -name libnvidia-ml.so.1 2>/dev/null | grep -v 32 | head -1)
[ -z "$libraries" ] || dirname "$libraries" >image/etc/ld.so.conf.d/nvidia.conf
smi=$(readlink -f "$(command -v nvidia-smi)")
case $smi in /usr/local/nvidia/*) ln -sf "$smi" image/usr/bin/nvidia-smi ;; esac
[ -f key ] || chroot image ssh-keygen -q -t ed25519 -N '' -f /tmp/key
[ -f key ] || mv image/tmp/key image/tmp/key.pub .
mkdir -p -m 700 image/root/.ssh
cp key.pub image/root/.ssh/authorized_keys
chown -R root:root image/root
wait $wheels || { cat installed.log; exit 1; }
tail -1 installed.log
echo "prepared: $(find wheelhouse -name '*.whl' | wc -l) wheels, image of $(du -sm image | cut -f1) MiB"
