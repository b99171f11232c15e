#!/bin/sh
# Before packages are configured. The kernel's package needs an initrd generator: tiny-initramfs satisfies the dependency, without its
# programs, and make-initrd does the work.
set -eu
root=$1
mkdir -p "$root/usr/sbin"
printf '#!/bin/sh\n# See /usr/lib/strongroom/make-initrd.\nexit 0\n' >"$root/usr/sbin/update-tirfs"
chmod 0755 "$root/usr/sbin/update-tirfs"
