import { basename } from 'node:path'
import { ServiceError } from '../errors/errors.ts'

/** Debian package of each program that Strongroom runs. */
const packages: Record<string, string> = {
  blkid: 'util-linux',
  cryptsetup: 'cryptsetup-bin',
  debootstrap: 'debootstrap',
  e2fsck: 'e2fsprogs',
  flock: 'util-linux',
  ip: 'iproute2',
  iptables: 'iptables',
  losetup: 'mount',
  mkfs: 'e2fsprogs',
  'mkfs.ext4': 'e2fsprogs',
  'mkfs.vfat': 'dosfstools',
  mcopy: 'mtools',
  mmd: 'mtools',
  mount: 'mount',
  nft: 'nftables',
  objcopy: 'binutils',
  openssl: 'openssl',
  'qemu-img': 'qemu-utils',
  'qemu-system-x86_64': 'qemu-system-x86',
  prlimit: 'util-linux',
  python3: 'python3',
  sbsign: 'sbsigntool',
  setpriv: 'util-linux',
  sfdisk: 'fdisk',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  'systemd-cryptenroll': 'systemd-cryptsetup',
  swtpm: 'swtpm',
  swtpm_setup: 'swtpm-tools',
  tar: 'tar',
  ukify: 'systemd-ukify',
  'virt-fw-vars': 'python3-virt-firmware',
  zstd: 'zstd',
}

/** ENOENT from spawn names the program even if the working directory is missing. */
export function missingProgram(command: string, cwd?: string): ServiceError {
  const name = basename(command)
  const known = packages[name]
  return new ServiceError({
    code: 'MissingProgram',
    message: `The program ${command} cannot be started: not found.`,
    expected: cwd === undefined ? `${command} in PATH` : `${command} in PATH, and the directory ${cwd}`,
    found: 'nothing',
    remedy:
      known === undefined ? `Install the package that provides ${name}.` : `Install it: apt-get install -y ${known}`,
  })
}
