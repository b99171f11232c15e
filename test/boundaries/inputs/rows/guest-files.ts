import { authenticated, ignored, measured, under, unprotected, type Section } from '../row.ts'

const memory = 'in the guest’s memory, which ends with the boot'
const random = "Under emulation the processor's random numbers"
const dataDisks = 'The host reads and writes a data disk'

export const guestFiles: Section = {
  id: 'guest-files',
  title: 'Files that the images’ own programs name',
  about:
    'From the sources of initrd, agent, programs and units (`services/host/src/image/recipes`), `*` for what they insert.',
  rows: [
    measured(
      'PCR 11: in the signed boot image',
      'measured-boot',
      ['B4', 'B9'],
      [...under('/bin/', 'bash kill sh'), '/modules/*', '/root/*', '/root/tmp'],
    ),
    measured(
      'PCRs 0 to 7, to which it replays',
      'measured-boot',
      ['V4', 'V5'],
      ['/sys/kernel/security', '/sys/kernel/security/tpm0/binary_bios_measurements'],
    ),
    measured(
      'PCRs 11 and 15, to which it replays',
      'measured-boot',
      ['V4', 'H26'],
      ['/run/log/systemd', '/run/log/systemd/tpm2-measure.log'],
    ),
    measured('PCR 7; each boot gets the variables that the guest state has', 'measured-boot', 'H15', [
      '/sys/firmware/efi/efivars',
      '/sys/firmware/efi/efivars/StrongroomState-5a1e0000-0000-4000-8000-000000000db2',
      '/sys/firmware/efi/efivars/dbx-d719b2cb-3d3a-4596-a3bc-dad00e67656f',
    ]),
    authenticated(
      'paravisor, which compares the store before the machine runs',
      ['H36', 'H43'],
      ['/sys/firmware/efi/efivars/StrongroomEndorsementKey-5a1e0000-0000-4000-8000-0000000000ec'],
    ),
    authenticated('attestation key, in the attested claims', ['V2', 'H27'], ['/dev/tpm0', '/dev/tpmrm0']),
    authenticated(
      'volume key: a partition is the one that opens under it, whatever its name',
      ['H9', 'D5', 'D6'],
      [
        ...under(
          '',
          '/dev/* /dev/mapper/root /proc/mounts /proc/self/mounts ' +
            '/sys/bus/pci/devices/0000:00:01.0/virtio*/block/* /sys/class/block /sys/class/block/* ' +
            '/sys/class/block/*/dm/uuid /sys/class/block/*/uevent',
        ),
      ],
    ),
    authenticated(
      'volume key: on the encrypted disk',
      ['D5', 'D8', 'H29'],
      [
        ...under('/etc/', 'chrony/chrony.conf cloud/cloud-init.disabled environment hostname hosts'),
        ...under(
          '/etc/ssh/',
          'ssh_host_ed25519_key ssh_host_ed25519_key.pub sshd_config.d/00-password.conf sshd_not_to_be_run',
        ),
        ...under(
          '/etc/',
          'ssl/certs/* ssl/certs/ca-certificates.crt strongroom/accept-unsigned-commands sudoers.d/90-',
        ),
        ...under(
          '',
          '/etc/systemd/system/multi-user.target.wants/ssh.service /home/* /root/etc/systemd/system/tmp.mount ' +
            '/sbin/init',
        ),
        ...under(
          '/usr/bin/',
          'busybox cp mount openssl perl rm sha256sum socat ssh-keygen sync systemctl touch umount',
        ),
        ...under(
          '/usr/lib/strongroom/',
          'address agent boot-file commands health network secure-boot start with-devices',
        ),
        '/usr/lib/systemd/systemd-networkd-wait-online',
        '/usr/local/share/ca-certificates/strongroom.crt',
        ...under('/usr/sbin/', 'chpasswd cryptsetup dmsetup poweroff sshd update-ca-certificates useradd'),
        '/usr/sbin:/usr/bin',
        ...under('/var/lib/', 'chrony/chrony.drift strongroom strongroom/boot-file waagent waagent/CustomData'),
      ],
    ),
    authenticated('key of the temporary disk, new at each boot', 'D11', [
      '/dev/disk/azure/resource',
      '/dev/disk/strongroom/temporary',
    ]),
    ignored('nothing that is typed is read', 'B1/console', ['/dev/console']),
    ignored(memory, 'H23', [
      ...under('/dev/', 'hugepages mqueue null pts shm'),
      ...under('/proc/', 'self/oom_score_adj swaps sys/kernel/hostname sys/kernel/sysrq'),
      ...under(
        '/run/',
        'lock session sshd sshd.pid strongroom strongroom-boot-file-exchanged strongroom-esp ' +
          'strongroom-further-devices strongroom-health.lock systemd/system',
      ),
    ]),
    ignored('see what the metadata endpoint gives', 'H24', ['/dev/tcp/*/80']),
    ignored('evidence and tokens are judged by clocks outside the guest', ['B6/clock', 'B6/ntp-answers'], ['/dev/ptp']),
    unprotected(dataDisks, ['/dev/disk/azure/scsi1/lun*']),
    unprotected(random, ['/dev/urandom', '/proc/cpuinfo', '/proc/sys/kernel/random/boot_id']),
  ],
}
