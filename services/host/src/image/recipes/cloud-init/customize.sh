#!/bin/sh
# After the reference image's own customize.sh: cloud-init uses what the host serves at the first boot, and nothing later.
set -eu
recipe=$(dirname "$0")
root=$1
put() { install -D -o root -g root -m "$1" "$recipe/$2" "$root/$3"; }
put 0644 strongroom.cfg etc/cloud/cloud.cfg.d/95_strongroom.cfg
put 0644 strongroom-cloud-init-once.service etc/systemd/system/strongroom-cloud-init-once.service
# cloud-init's network stage begins when there is an address.
chroot "$root" systemctl --quiet enable systemd-networkd-wait-online.service strongroom-cloud-init-once.service
chroot "$root" systemctl --quiet mask cloud-init-hotplugd.socket
# An image of a VM that cloud-init set up starts from the beginning.
printf 'rm -f /etc/cloud/cloud-init.disabled\ncloud-init clean --logs --seed\n' >>"$root/usr/lib/strongroom/deprovision"
# cloud-init wants the system's own order: udev, network, message bus; this machine reports after them.
rm "$root"/etc/systemd/system/*.d/strongroom-later.conf
put 0644 strongroom-agent.service etc/systemd/system/strongroom-agent.service
chroot "$root" systemctl --quiet disable strongroom-report.service
for unit in chrony strongroom-clock systemd-logind systemd-growfs-root; do
  put 0644 ../reference/later.conf "etc/systemd/system/$unit.service.d/strongroom-later.conf"
done
