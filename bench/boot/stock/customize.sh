#!/bin/sh
# A Debian as its installer leaves it, as far as a boot goes: the root file system in fstab. mke2fs reads an archive with ASCII names only.
set -eu
root=$1
printf 'LABEL=root / ext4 errors=remount-ro 0 1\n' >"$root/etc/fstab"
LC_ALL=C find "$root/etc/ssl/certs" "$root/usr/share/ca-certificates" -name '*[! -~]*' -delete
