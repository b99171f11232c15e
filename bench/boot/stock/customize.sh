#!/bin/sh
# A Debian as installed, as far as a boot matters: the root file system in fstab. mke2fs reads only archives with ASCII names.
set -eu
root=$1
printf 'LABEL=root / ext4 errors=remount-ro 0 1\n' >"$root/etc/fstab"
LC_ALL=C find "$root/etc/ssl/certs" "$root/usr/share/ca-certificates" -name '*[! -~]*' -delete
