#!/bin/sh
# Before packages configure. The kernel's package wants an initrd generator; ours is make-initrd, and tiny-initramfs, whose own
# programs are left out of the image, stands for it.
set -eu
root=$1
mkdir -p "$root/usr/sbin"
printf '#!/bin/sh\n# See /usr/lib/strongroom/make-initrd.\nexit 0\n' >"$root/usr/sbin/update-tirfs"
chmod 0755 "$root/usr/sbin/update-tirfs"
