import { open, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { harmless, measured, type Attack } from '../attack.ts'
import type { Host } from '../host/host.ts'
import { partitionTypes, readTable, writeTable, type TablePartition } from '../host/partitions.ts'
import { runProgram } from '../host/programs.ts'
import { copyRange, makeRoot } from '../payload/root.ts'
import { diskRefused, layRoot, rootOffset } from './disk-header.ts'
import { withoutSibling } from './guest-state.ts'

const mebibyte = 1024 ** 2
/** Space for the table's copy at the end. */
const tableBytes = mebibyte

const withoutEncryption = async (host: Host): Promise<string | undefined> =>
  host.encrypted ? undefined : 'the OS disk of this VM is not encrypted: its host reads and writes it by design'

/** Extends the disk by partitions with these contents. @returns them, without numbers yet */
async function append(disk: string, parts: { type: string; name: string; file: string }[]): Promise<TablePartition[]> {
  const made: TablePartition[] = []
  let offset = Math.ceil((await stat(disk)).size / mebibyte) * mebibyte
  for (const { type, name, file } of parts) {
    const sizeBytes = Math.ceil((await stat(file)).size / mebibyte) * mebibyte
    made.push({ type, uuid: '', name, offset, sizeBytes })
    offset += sizeBytes
  }
  const handle = await open(disk, 'r+')
  await handle.truncate(offset + tableBytes)
  await handle.close()
  for (const [index, { file }] of parts.entries())
    await copyRange({
      from: file,
      fromOffset: 0,
      length: (await stat(file)).size,
      to: disk,
      toOffset: made[index]!.offset,
    })
  return made
}

const hostRoot = async (host: Host): Promise<string> => {
  const out = await host.file('root.ext4')
  await makeRoot({ image: host.imageFile('disk.raw'), out, mark: host.mark('code in the root file system') })
  return out
}

/** A small file system with one file, so that mounting it is visible. */
async function strangeFileSystem(host: Host, name: string): Promise<string> {
  const tree = await host.file(`${name}-tree`)
  await runProgram('mkdir', ['-p', tree])
  await runProgram('tee', [`${tree}/drill-host`], { input: 'drill\n' })
  const out = await host.file(`${name}.ext4`)
  await runProgram('mke2fs', ['-q', '-t', 'ext4', '-L', name, '-d', tree, out, '8M'])
  return out
}

const look = `
for place in / /usr /home /srv /var /var/tmp /boot /efi /boot/efi; do
  [ -e "$place/drill-host" ] && echo "taken file system at $place"
done
grep -q '^/dev/vd' /proc/swaps && echo 'taken swap on a partition in clear'
true`

export const partitionAttacks: Attack[] = [
  {
    id: 'H9/root-in-front',
    title: 'a plain partition of the root type in front of the VM’s own',
    does: 'adds a partition with the image’s root and a service of the host’s, numbered before the encrypted one',
    movesPartitions: true,
    ends: [harmless, diskRefused],
    cannot: withoutEncryption,
    carryOut: async (host) => {
      const [esp, ...others] = await readTable(host.disk)
      const made = await append(host.disk, [{ type: partitionTypes.root, name: 'root', file: await hostRoot(host) }])
      await writeTable(host.disk, [esp!, ...made, ...others])
      return await host.boot()
    },
  },
  {
    id: 'H9/root-behind',
    title: 'a plain partition of the root type behind the VM’s own, with a name that sorts after it',
    does: 'adds such a partition, as the newer of two versions',
    movesPartitions: true,
    ends: [harmless, diskRefused],
    cannot: withoutEncryption,
    carryOut: async (host) => {
      const own = await readTable(host.disk)
      const made = await append(host.disk, [{ type: partitionTypes.root, name: 'root_9', file: await hostRoot(host) }])
      await writeTable(host.disk, [...own, ...made])
      return await host.boot()
    },
  },
  {
    id: 'D6/plain-root',
    title: 'a file system of the host’s in place of the encrypted volume',
    does: 'writes the image’s root with a service of the host’s over the root partition',
    ends: [diskRefused],
    cannot: withoutEncryption,
    carryOut: async (host) => {
      await layRoot(host, await rootOffset(host.disk))
      return await host.boot()
    },
  },
  {
    id: 'H4/discoverable-partitions',
    title: 'partitions of types that systemd mounts by itself: /usr, /home, /srv, /var, /boot, swap, verity',
    does: 'adds them behind the VM’s own',
    movesPartitions: true,
    ends: [harmless, diskRefused],
    carryOut: async (host) => {
      const own = await readTable(host.disk)
      const swap = await host.file('swap.raw', Buffer.alloc(16 * mebibyte))
      await runProgram('mkswap', ['-L', 'drill', swap])
      const parts: { type: string; name: string; file: string }[] = [
        { type: partitionTypes.swap, name: 'swap', file: swap },
      ]
      for (const name of ['usr', 'home', 'srv', 'var', 'bootLoader', 'rootVerity'] as const)
        parts.push({ type: partitionTypes[name], name, file: await strangeFileSystem(host, name) })
      await writeTable(host.disk, [...own, ...(await append(host.disk, parts))])
      return await host.boot(look)
    },
  },
  {
    id: 'H4/second-disk',
    title: 'a second disk with the identifiers and labels of the first, and a root of the host’s',
    does: 'adds a disk with the same partition table, in front of the VM’s own on the bus',
    // One more disk than the machine has: its ACPI tables show it.
    ends: [measured(1)],
    cannot: withoutEncryption,
    carryOut: async (host) => {
      const second = await host.file('second.raw')
      const own = await readTable(host.disk)
      const root = own.find(({ type }) => type === partitionTypes.root)!
      const last = own.at(-1)!
      await runProgram('truncate', [`--size=${last.offset + last.sizeBytes + tableBytes}`, second])
      await writeTable(second, own)
      const from = await hostRoot(host)
      await copyRange({ from, fromOffset: 0, length: (await stat(from)).size, to: second, toOffset: root.offset })
      host.qemu.add('-drive', `if=none,id=drill,format=raw,file=${second}`)
      host.qemu.replace('virtio-blk-pci,drive=os,', 'virtio-blk-pci,drive=os,addr=0x11,')
      host.qemu.add('-device', 'virtio-blk-pci,drive=drill,addr=0x10')
      return await host.boot(look)
    },
  },
  {
    id: 'D10/other-disk',
    title: 'the OS disk of another VM of the installation',
    does: 'puts it in place of this VM’s',
    ends: [diskRefused],
    cannot: async (host) => (await withoutEncryption(host)) ?? (await withoutSibling(host)),
    carryOut: async (host) => {
      await runProgram('cp', ['--sparse=always', '--reflink=auto', `${host.sibling()!.folder}/os-disk.raw`, host.disk])
      return await host.boot()
    },
  },
  {
    id: 'D7/older-disk',
    title: 'the OS disk of before the last boot',
    does: 'puts an older copy back, with the guest state of now',
    ends: [diskRefused],
    cannot: withoutEncryption,
    from: 'later',
    carryOut: async (host) => {
      const older = join(host.o.original, 'machines', host.vm.vmId, 'os-disk.raw')
      await runProgram('cp', ['--sparse=always', '--reflink=auto', older, host.disk])
      return await host.boot()
    },
  },
  {
    id: 'D8/flipped-block',
    title: 'a block of ciphertext of the OS disk changed',
    does: 'flips bits where the root file system has its first inodes',
    ends: [harmless, diskRefused],
    cannot: withoutEncryption,
    carryOut: async (host) => {
      const handle = await open(host.disk, 'r+')
      // The superblock's copy in the second block group: only read in a repair.
      const at = (await rootOffset(host.disk)) + 16 * mebibyte + 128 * mebibyte
      const { buffer } = await handle.read(Buffer.alloc(512), 0, 512, at)
      await handle.write(
        buffer.map((byte) => byte ^ 0x55),
        0,
        512,
        at,
      )
      await handle.close()
      return await host.boot()
    },
  },
]

export const readKernel = async (host: Host, path: string): Promise<Buffer> => {
  const kernel = await host.file('kernel.efi')
  await (await host.bootPartition()).read(path, kernel)
  return await readFile(kernel)
}
