import { access, readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiVersions, type ArmClient } from '../../apps/cli/src/client/arm.ts'
import { vmPath } from '../../apps/cli/src/up/vm-request.ts'
import { partitionTypes, readPartitions, type Partition } from '../../services/host/src/disks/gpt.ts'
import { findMarks } from './support/canary.ts'
import { layPrograms, makeKey, provider } from './support/data-disk.ts'
import { TestInstallation } from './support/installation.ts'
import { openArm, statusOf, type Status, type VmView } from './support/vm.ts'

/**
 * A VM with a temporary disk that really boots: data disks are attached and detached while it runs, one is encrypted in
 * the guest with a released key (S7), swap is reported by its place (S8), and after a stop the data opens again,
 * although the host has put an operating system on another data disk. The tests share the VM, in this order.
 */
const installation = await TestInstallation.create()
const name = 'disks'
let arm: ArmClient
let key: string
/** The resource manager's id of the disk `other`. */
let otherId: string
/** An image file with an unencrypted root. */
let image: string

const inGuest = async (script: string): Promise<string> => await installation.asRoot(name, script)
const disk = (diskName: string): string =>
  `${arm.subscription}/resourceGroups/strongroom/providers/Microsoft.Compute/disks/${diskName}`
const show = async (): Promise<VmView> => await installation.must<VmView>('vm', 'show', name)
/** Sets the VM's data disks, by LUN. */
const attach = async (...disks: [lun: number, diskName: string][]): Promise<void> => {
  const dataDisks = disks.map(([lun, each]) => ({ lun, createOption: 'Attach', managedDisk: { id: disk(each) } }))
  await arm.run('PATCH', vmPath(arm, 'strongroom', name), apiVersions.compute, {
    properties: { storageProfile: { dataDisks } },
  })
}
const makeDisk = async (diskName: string, diskSizeGB: number): Promise<string> => {
  const properties = { creationData: { createOption: 'Empty' }, diskSizeGB }
  await arm.run('PUT', disk(diskName), apiVersions.compute, { location: arm.region, properties })
  return (await arm.get<{ properties: { uniqueId: string } }>(disk(diskName), apiVersions.compute)).properties.uniqueId
}
const rootOf = async (path: string): Promise<Partition> =>
  (await readPartitions(path))!.find(({ type }) => type === partitionTypes.rootX64)!
const settle = 'udevadm settle'

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
  image = (await installation.must<{ path: string }[]>('image', 'list')).at(-1)!.path
  await installation.must('vm', 'create', name, '--size', 'Standard_DC2ads_v5')
  arm = await openArm(installation)
  key = await makeKey(installation, { vm: name, vault: 'datadisks' })
  await layPrograms(installation, name)
})

afterAll(async () => await installation.remove())

describe('data disks of a VM that runs', () => {
  it('come and go by their LUN, grow, and are shown at the metadata endpoint', async () => {
    const id = await makeDisk('data', 1)
    await makeDisk('clear', 1)
    otherId = (await makeDisk('other', 4)).toUpperCase()
    await attach([3, 'data'], [0, 'other'])
    expect(
      await inGuest(`${settle}; cat /sys/class/block/$(basename $(readlink -f /dev/disk/azure/scsi1/lun3))/size`),
    ).toBe(String(2 ** 21))
    expect(await inGuest(`ls /dev/disk/azure/scsi1; ls -l /dev/disk/by-id/*_${id.toUpperCase()}`)).toMatch(
      /^lun0\nlun3\n/,
    )
    const asked = 'http://169.254.169.254/metadata/instance/compute/storageProfile?api-version=2021-02-01'
    const shown = JSON.parse(await inGuest(`curl -s --noproxy '*' -H Metadata:true '${asked}'`)) as {
      dataDisks: { lun: string; name: string }[]
      resourceDisk: { size: string }
    }
    expect(shown.dataDisks.map(({ lun, name: each }) => `${lun} ${each}`)).toEqual(['0 other', '3 data'])
    expect(shown.resourceDisk.size).toBe(String(75 * 1024))
    await attach([3, 'data'])
    expect(await inGuest(`${settle}; ls /dev/disk/azure/scsi1`)).toBe('lun3')
  })

  it('are encrypted in the guest with a key that is released to it: neither plaintext nor key is with the host (S7)', async () => {
    const said = await inGuest(`mkdir -p /run/shim
cat >/run/shim/cryptsetup <<'END'
#!/bin/bash
for ((i = 1; i < $#; i++)); do [[ \${!i} != --key-file ]] || { j=$((i + 1)); cp "\${!j}" /run/shim/secret; }; done
exec /usr/sbin/cryptsetup "$@"
END
chmod +x /run/shim/cryptsetup
PATH=/run/shim:$PATH bash /root/data-disk format /dev/disk/azure/scsi1/lun3 data ${key} ${provider} >&2
mkfs.ext4 -q /dev/mapper/data
mount /dev/mapper/data /mnt
head -c 24 /dev/urandom >/mnt/mark
for i in $(seq 100); do cp /mnt/mark /mnt/mark-$i; done
sync
base64 /mnt/mark
cat /run/shim/secret; echo
cryptsetup luksDump --dump-volume-key --batch-mode --key-file /run/shim/secret /dev/disk/azure/scsi1/lun3 |
  sed -n '/MK dump:/,$p' | tr -cd '0-9a-f\\n' | tr -d '\\n'
rm /run/shim/secret`)
    const [mark = '', secret = '', dump = ''] = said.split('\n')
    // The dump's title leaves letters before the 64 bytes.
    const volume = Buffer.from(dump.slice(-128), 'hex')
    expect([mark.length, secret.length, volume.length]).toEqual([32, 64, 64])
    const secrets = [
      Buffer.from(mark, 'base64'),
      Buffer.from(secret),
      Buffer.from(secret, 'hex'),
      volume.subarray(0, 32),
      volume.subarray(32),
    ]
    expect(await findMarks(installation.stateDir, secrets)).toEqual([])
  })

  it('and swap on the temporary disk, which the guest encrypts, is protected, on a data disk in clear is not (S8)', async () => {
    const swap = async (device: string): Promise<Status> => {
      await inGuest(`mkswap -q ${device}; swapon ${device}; /usr/lib/strongroom/health; swapoff ${device}`)
      return statusOf(await show(), 'Swap/')
    }
    await attach([3, 'data'], [5, 'clear'])
    const clear = await swap('/dev/disk/azure/scsi1/lun5')
    expect(clear.code).toBe('Swap/unprotected')
    expect(clear.message).toContain('swapoff')
    await attach([3, 'data'])
    expect((await swap('/dev/disk/azure/resource')).code).toBe('Swap/protected')
    await inGuest('echo of-the-boot-before | dd of=/dev/disk/azure/resource bs=4096 conv=sync,fsync status=none')
    const machine = installation.vmFolder((await show()).properties.vmId.toUpperCase())
    expect((await readdir(machine)).filter((file) => file.includes('temporary'))).toEqual([])
  })
})

describe('the VM after a stop', () => {
  it('opens its own root, not that of a system which the host has put on a data disk before it', async () => {
    await attach([0, 'other'], [3, 'data'])
    await inGuest('sync; umount /mnt; cryptsetup close data')
    await installation.must('vm', 'deallocate', name)
    const path = join(installation.stateDir, 'disks', otherId, 'disk.raw')
    await access(path)
    await run({ command: 'cp', args: ['--sparse=always', image, path] })
    await truncate(path, 4 * 2 ** 30)
    await installation.must('vm', 'start', name)
    expect(
      await inGuest(
        'cat /sys/class/block/$(basename $(readlink -f /dev/mapper/root))/slaves/*/../uevent | head -1; ls ' +
          '/sys/class/block/dm-0/slaves; ls /dev/disk/azure/scsi1',
      ),
    ).toMatch(/vda2[\s\S]*lun0-part1/)
    expect((await installation.cli('vm', 'trust', name)).code).toBe(0)
  })

  it('opens its data with the key released again, and finds its temporary disk empty', async () => {
    await inGuest(`bash /root/data-disk open data >&2; mount /dev/mapper/data /mnt; cmp /mnt/mark /mnt/mark-100`)
    expect(await inGuest('head -c 64M /dev/disk/strongroom/temporary | tr -d "\\0" | wc -c')).toBe('0')
    expect(await inGuest('head -c 4096 /dev/disk/azure/resource | base64')).not.toContain(
      Buffer.from('of-the-boot-before').toString('base64').slice(0, 20),
    )
  })

  it('never counts as started on a system of the host’s that lies under its own partition table, ids and all', async () => {
    await inGuest('sync; umount /mnt; cryptsetup close data')
    await installation.must('vm', 'deallocate', name)
    const path = join(installation.stateDir, 'disks', otherId, 'disk.raw')
    const own = join(installation.vmFolder((await show()).properties.vmId.toUpperCase()), 'os-disk.raw')
    await run({ command: 'cp', args: ['--sparse=always', own, path] })
    const [to, from] = [await rootOf(own), await rootOf(image)]
    const places = [`bs=1M`, `iflag=skip_bytes,count_bytes`, `oflag=seek_bytes`, `conv=notrunc`]
    await run({
      command: 'dd',
      args: [
        `if=${image}`,
        `of=${path}`,
        `skip=${from.offset}`,
        `count=${from.sizeBytes}`,
        `seek=${to.offset}`,
        ...places,
      ],
    })
    await truncate(path, 4 * 2 ** 30)
    const { code, stdout } = await installation.cli('vm', 'start', name)
    const view = JSON.stringify((await show()).properties.instanceView)
    // The host's system came up and was refused, or the VM's own came up and is trusted: nothing in between.
    if (code === 0) expect((await installation.cli('vm', 'trust', name)).code).toBe(0)
    else expect(stdout + view).toMatch(/BootReportRefused|OsDiskReplaced|OsDiskDidNotUnlock/)
  })

  it('leaves a disk behind that its owner detached, and takes the rest with it', async () => {
    await attach([3, 'data'])
    await installation.must('vm', 'delete', name, '--yes')
    const kept = await readdir(join(installation.stateDir, 'disks'))
    expect(kept).toHaveLength(3)
    for (const each of ['data', 'other', 'clear']) await arm.run('DELETE', disk(each), apiVersions.compute)
    expect(await readdir(join(installation.stateDir, 'disks'))).toEqual([])
  })
})
