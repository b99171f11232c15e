#!/bin/sh
# After all packages are configured, in every image of ours: the agent, the initrd, the network's resolver, SSH, and nothing that two
# machines would share.
set -eu
recipe=$(dirname "$0")
root=$1
put() { install -D -o root -g root -m "$1" "$recipe/$2" "$root/$3"; }
put 0755 agent usr/lib/strongroom/agent
put 0755 boot-file usr/lib/strongroom/boot-file
put 0755 secure-boot usr/lib/strongroom/secure-boot
put 0755 deprovision usr/lib/strongroom/deprovision
put 0755 init usr/lib/strongroom/init
put 0644 salted-session usr/lib/strongroom/salted-session
put 0755 make-initrd usr/lib/strongroom/make-initrd
put 0755 network usr/lib/strongroom/network
put 0755 address usr/lib/strongroom/address
kernel=$(basename "$root"/lib/modules/*)
chroot "$root" /usr/lib/strongroom/make-initrd "$kernel" "/boot/initrd.img-$kernel"
# A break and a letter over the serial line neither show the kernel's log nor stop the system.
install -d "$root/etc/sysctl.d"
printf 'kernel.sysrq = 0\n' >"$root/etc/sysctl.d/strongroom.conf"
printf 'PasswordAuthentication no\nPermitRootLogin no\nKbdInteractiveAuthentication no\nHostKey /etc/ssh/ssh_host_ed25519_key\n' \
  >"$root/etc/ssh/sshd_config.d/strongroom.conf"
passwd -R "$root" -l root >/dev/null 2>&1 || chroot "$root" passwd -l root >/dev/null
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root/etc/hostname" "$root/etc/resolv.conf"
# The machine's resolver leads every name that the guest may reach to its relay. A guest's network has no UDP.
printf 'nameserver 169.254.169.253\noptions use-vc attempts:1\n' >"$root/etc/resolv.conf"
: >"$root/etc/fstab"
# mke2fs reads an archive with ASCII names only. The authority stays in the bundle that programs read.
LC_ALL=C find "$root/etc/ssl/certs" "$root/usr/share/ca-certificates" -name '*[! -~]*' -delete
sed -i '/[^ -~]/d' "$root/etc/ca-certificates.conf"
rm -rf "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/var/cache/apt/*.bin
