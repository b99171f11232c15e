import { authenticated, ignored, measured, under, unprotected, type Section } from '../row.ts'

const machine = ['B3', 'E23']

export const openedInGuest: Section = {
  id: 'opened',
  title: 'What is opened in a booted guest',
  about:
    'Traced by the guest’s kernel while the programs of the image run (agent, commands, health, boot file, Secure Boot), and the ' +
    'system beside them. `N` stands for digits, a folder for what is in it. Which of the system’s files are opened depends on the ' +
    'moment, so a row may be without its file.',
  rows: [
    measured('PCR 1: the machine, its devices and their attributes', 'measured-boot', machine, [
      ...under('', '/proc/devices /sys /sys/bus /sys/class /sys/devices'),
      ...under(
        '/dev/',
        'hpet input/by-path input/eventN vga_arbiter kvm snd/seq snd/timer vfio/vfio vhost-net vhost-vsock',
      ),
    ]),
    measured(
      'PCRs 11 and 12: in the signed boot image',
      'measured-boot',
      ['H3', 'B4'],
      [...under('/proc/', 'cmdline filesystems'), '/sys/kernel', '/sys/kernel/btf/vmlinux', '/sys/module'],
    ),
    measured(
      'PCRs 0 to 7, to which it replays',
      'measured-boot',
      ['V4', 'V5'],
      ['/sys/kernel/security/tpmN/binary_bios_measurements'],
    ),
    measured('PCR 7; each boot gets the variables that the guest state has', 'measured-boot', 'H15', [
      '/sys/firmware/efi/efivars',
    ]),
    authenticated('attestation key, in the attested claims', ['V2', 'H27'], ['/dev/tpmrmN']),
    authenticated(
      'volume key: on the encrypted disk',
      ['D5', 'D8', 'H29'],
      ['/', '/bin', '/etc', '/home', '/lib', '/lib64', '/root', '/sbin', '/usr', '/var', '/dev/mapper/control'],
    ),
    ignored('in the guest’s memory, which ends with the boot', 'H23', [
      ...under('', '/dev /proc /proc/N /proc/self /proc/swaps /run /sys/dev /sys/fs /tmp'),
      ...under(
        '/dev/',
        'autofs cpu_dma_latency fuse kmsg loop-control mqueue net/tun null shm snapshot udmabuf userfaultfd ' +
          'vcsN vcsaN vcsuN',
      ),
      ...under('/proc/', 'kmsg mounts pressure/cpu pressure/io pressure/memory'),
      ...under(
        '/proc/sys/',
        'fs fs/binfmt_misc fs/nr_open kernel kernel/cap_last_cap kernel/domainname kernel/hostname',
      ),
      ...under('/proc/sys/kernel/', 'ngroups_max osrelease pid_max threads-max'),
      ...under('/proc/sys/net/ipvN/conf/ethN/', 'accept_ra promote_secondaries proxy_ndp use_tempaddr'),
      ...under('/proc/sysvipc/', 'msg sem shm'),
      ...under('/sys/kernel/', 'debug tracing'),
    ]),
    ignored('nothing that is typed is read', ['B1/console', 'H13'], ['/dev/console', '/dev/tty']),
    ignored(
      'evidence and tokens are judged by clocks outside the guest',
      ['B6/clock', 'B6/ntp-answers'],
      ['/dev/rtcN'],
    ),
    unprotected('Devices that no ACPI table names', ['/proc/cpuinfo']),
    unprotected('The host reads and writes a data disk', ['/dev/disk/azure/scsiN']),
    unprotected("Under emulation the processor's random numbers", [
      '/dev/hwrng',
      '/dev/urandom',
      '/proc/sys/kernel/random/boot_id',
    ]),
  ],
}
