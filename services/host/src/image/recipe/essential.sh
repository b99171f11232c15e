#!/bin/sh
# Before the kernel's package configures and its hook writes the initrd: everything that the initrd takes in.
set -eu
recipe=$(dirname "$0")
root=$1
put() { install -D -o root -g root -m "$1" "$recipe/$2" "$root/$3"; }
put 0644 dracut.conf etc/dracut.conf.d/strongroom.conf
put 0644 unlock.conf etc/systemd/system/systemd-cryptsetup@root.service.d/strongroom.conf
put 0644 strongroom-locked.service etc/systemd/system/strongroom-locked.service
put 0644 volume-separator.conf etc/systemd/system/systemd-pcrphase-initrd.service.d/strongroom.conf
