#!/bin/sh
# After common/customize.sh: the units of a whole Debian, and those of ours.
set -eu
recipe=$(dirname "$0")
root=$1
put() { install -D -o root -g root -m "$1" "$recipe/$2" "$root/$3"; }
put 0755 health usr/lib/strongroom/health
put 0755 clock-remedy usr/lib/strongroom/clock-remedy
put 0644 strongroom-health.service etc/systemd/system/strongroom-health.service
put 0644 strongroom-health.timer etc/systemd/system/strongroom-health.timer
put 0644 disks.rules usr/lib/udev/rules.d/66-strongroom-disks.rules
put 0644 strongroom-temporary-disk.service etc/systemd/system/strongroom-temporary-disk.service
put 0755 commands usr/lib/strongroom/commands
put 0755 with-devices usr/lib/strongroom/with-devices
put 0644 strongroom-agent.service etc/systemd/system/strongroom-agent.service
put 0644 strongroom-report.service etc/systemd/system/strongroom-report.service
put 0644 strongroom-commands.service etc/systemd/system/strongroom-commands.service
put 0644 strongroom-hostkeys.service etc/systemd/system/strongroom-hostkeys.service
put 0644 strongroom-clock.service etc/systemd/system/strongroom-clock.service
put 0644 strongroom-secure-boot.path etc/systemd/system/strongroom-secure-boot.path
put 0644 strongroom-secure-boot.service etc/systemd/system/strongroom-secure-boot.service
put 0644 chrony.conf etc/chrony/chrony.conf
put 0644 network.conf etc/systemd/network/50-ethernet.network
put 0644 further-network.conf etc/systemd/network/60-further.network
put 0644 devices.conf etc/systemd/system/systemd-udev-trigger.service.d/strongroom.conf
# First the report and SSH, then the rest: a program that starts beside them takes its time from them under emulation.
for unit in $(cd "$root/usr/lib/systemd/system/sysinit.target.wants" && ls -- *.service) systemd-remount-fs.service \
  systemd-growfs-root.service systemd-networkd.service; do
  put 0644 later.conf "etc/systemd/system/$unit.d/strongroom-later.conf"
done
put 0644 ssh.service etc/systemd/system/ssh.service
# Nobody is kept out while the rest starts.
ln -s /dev/null "$root/etc/tmpfiles.d/systemd-nologin.conf"
# eth0, as on Azure: the first interface is up before udev could rename it.
ln -s /dev/null "$root/etc/systemd/network/99-default.link"
chroot "$root" systemctl --quiet enable systemd-networkd.service ssh.service strongroom-agent.service \
  strongroom-report.service strongroom-hostkeys.service strongroom-clock.service strongroom-commands.service \
  strongroom-health.timer strongroom-secure-boot.path chrony.service
chroot "$root" systemctl --quiet disable systemd-networkd-wait-online.service
chroot "$root" systemctl --quiet set-default multi-user.target
# The disk is larger than its image; no generator says so (systemd.gpt_auto=no).
chroot "$root" systemctl --quiet add-wants multi-user.target systemd-growfs-root.service
# Nobody logs in at a console, serial or virtual (logind starts one where a key of the host's asks for it): the host sees all that
# is typed there.
rm -f "$root"/etc/systemd/system/getty.target.wants/*
chroot "$root" systemctl --quiet mask sshd-keygen.service getty@.service autovt@.service serial-getty@.service getty-static.service \
  e2scrub_reap.service systemd-pcrlock-make-policy.service \
  apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer man-db.timer
# Sockets of services that nobody asks here.
chroot "$root" systemctl --quiet mask systemd-creds.socket systemd-pcrextend.socket systemd-pcrlock.socket systemd-sysext.socket
# Each of these is a program that starts at every boot and does nothing here: it reads what a host could say (credentials, the
# kernel's command line), makes what the paravisor has made (the TPM's storage key), measures what the agent measures, or mounts
# what is mounted when it is wanted.
chroot "$root" systemctl --quiet mask systemd-network-generator.service systemd-networkd-persistent-storage.service \
  systemd-udev-load-credentials.service systemd-pcrphase.service systemd-pcrphase-sysinit.service \
  systemd-tpm2-setup-early.service systemd-tpm2-setup.service systemd-pcrmachine.service \
  systemd-pstore.service modprobe@efi_pstore.service modprobe@drm.service sys-kernel-config.mount sys-kernel-debug.mount \
  sys-kernel-tracing.mount sys-fs-fuse-connections.mount
mkdir -p "$root/etc/systemd/system-generators"
for each in debug getty gpt-auto hibernate-resume import integritysetup run ssh system-update tpm2 veritysetup; do
  ln -s /dev/null "$root/etc/systemd/system-generators/systemd-$each-generator"
done
# Caches are those of the packages: nothing in /usr is newer. Otherwise the first boot makes them again.
touch "$root/etc/.updated" "$root/var/.updated"
