#!/bin/sh
# After common/customize.sh: busybox as the first program, and a script in place of a service manager.
set -eu
recipe=$(dirname "$0")
root=$1
put() { install -D -o root -g root -m "$1" "$recipe/$2" "$root/$3"; }
put 0644 inittab etc/inittab
put 0755 start usr/lib/strongroom/start
put 0755 power-button etc/acpi/PWRF/00000080
for program in init poweroff reboot halt; do ln -sf /usr/bin/busybox "$root/usr/sbin/$program"; done
