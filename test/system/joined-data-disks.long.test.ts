import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { HostView, VmPlacement } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { apiVersions, type ArmClient } from '../../apps/cli/src/client/arm.ts'
import { vmPath } from '../../apps/cli/src/up/vm-request.ts'
import { layPrograms, makeKey, provider } from './support/data-disk.ts'
import { TestInstallation } from './support/installation.ts'
import { JoinedHosts } from './support/joined-hosts.ts'
import { openArm, readEvidence, statusOf, type VmView } from './support/vm.ts'

/** One guest, really booted on hosts that have joined, with data disks. The tests share it, in this order. */
const installation = await TestInstallation.create()
const name = 'carried'
const patient = { timeout: 300_000, interval: 2_000 }
let hosts: JoinedHosts
let arm: ArmClient
let key: string
/** The disk's file on the server. */
let file: string

beforeAll(async () => {
  hosts = await JoinedHosts.prepare(installation)
  await installation.start({}, ['--fleet-address', hosts.address])
  await installation.must('image', 'build')
  for (const host of ['a', 'b']) await hosts.join(host, 8)
  await vi.waitFor(async () => expect([await stateOf('a'), await stateOf('b')]).toEqual(['Ready', 'Ready']), patient)
  await installation.must('vm', 'create', name)
  arm = await openArm(installation)
})

afterAll(async () => {
  await hosts.remove()
  await installation.remove()
})

const stateOf = async (host: string): Promise<string> => (await installation.must<HostView>('host', 'show', host)).state
const placement = async (): Promise<VmPlacement> => await installation.must('vm', 'show', name, '--placement')
const powerOf = async (): Promise<string> =>
  statusOf(await installation.must<VmView>('vm', 'show', name), 'PowerState/').code
const inGuest = async (script: string): Promise<string> => await installation.asRoot(name, script)
const disk = (diskName: string): string =>
  `${arm.subscription}/resourceGroups/strongroom/providers/Microsoft.Compute/disks/${diskName}`
async function makeDisk(diskName: string): Promise<string> {
  const properties = { creationData: { createOption: 'Empty' }, diskSizeGB: 1 }
  await arm.run('PUT', disk(diskName), apiVersions.compute, { location: arm.region, properties })
  return (await arm.get<{ properties: { uniqueId: string } }>(disk(diskName), apiVersions.compute)).properties.uniqueId
}
/** Sets the VM's data disks, by LUN. */
async function attach(...disks: [lun: number, diskName: string][]): Promise<void> {
  const dataDisks = disks.map(([lun, each]) => ({ lun, createOption: 'Attach', managedDisk: { id: disk(each) } }))
  const properties = { storageProfile: { dataDisks } }
  await arm.run('PATCH', vmPath(arm, 'strongroom', name), apiVersions.compute, { properties })
}

describe('data disks of a guest on a joined host', () => {
  it('come and go while it runs, by their LUN, and are shown at the metadata endpoint', async () => {
    const id = (await makeDisk('data')).toUpperCase()
    file = join(installation.stateDir, 'disks', id, 'disk.raw')
    await makeDisk('clear')
    await attach([3, 'data'], [0, 'clear'])
    const seen = await inGuest(
      `udevadm settle; ls /dev/disk/azure/scsi1; ls /dev/disk/by-id/*_${id}; cat /sys/class/block/$(basename ` +
        '$(readlink -f /dev/disk/azure/scsi1/lun3))/size',
    )
    expect(seen).toMatch(/^lun0\nlun3\n\/dev\/disk\/by-id\/\S+\n2097152$/)
    const asked = 'http://169.254.169.254/metadata/instance/compute/storageProfile?api-version=2021-02-01'
    const shown = JSON.parse(await inGuest(`curl -s --noproxy '*' -H Metadata:true '${asked}'`)) as {
      dataDisks: { lun: string; name: string }[]
    }
    expect(shown.dataDisks.map(({ lun, name: each }) => `${lun} ${each}`)).toEqual(['0 clear', '3 data'])
    await inGuest(
      'mkfs.ext4 -q /dev/disk/azure/scsi1/lun0; mount /dev/disk/azure/scsi1/lun0 /mnt; echo kept > /mnt/file; umount /mnt',
    )
    await attach([3, 'data'])
    expect(await inGuest('udevadm settle; ls /dev/disk/azure/scsi1')).toBe('lun3')
    await attach([3, 'data'], [7, 'clear'])
    expect(await inGuest('udevadm settle; mount /dev/disk/azure/scsi1/lun7 /mnt; cat /mnt/file; umount /mnt')).toBe(
      'kept',
    )
  })

  it('are encrypted in it with a key that is released to its attested boot', async () => {
    key = await makeKey(installation, { vm: name, vault: 'datadisks' })
    await layPrograms(installation, name)
    await inGuest(`bash /root/data-disk format /dev/disk/azure/scsi1/lun3 data ${key} ${provider} >&2
mkfs.ext4 -q /dev/mapper/data; mount /dev/mapper/data /mnt; echo written before > /mnt/file; sync`)
    expect(await inGuest('head -c 4 /dev/disk/azure/scsi1/lun3')).toBe('LUKS')
  })

  it('are there, as they were, on the next host when its own is lost, and the guest is trusted', async () => {
    const { host: from = '' } = await placement()
    const { bootId } = await readEvidence(installation, name)
    await hosts.kill(from)
    await expect.poll(async () => (await placement()).epoch, patient).toBe(2)
    await expect.poll(powerOf, patient).toBe('PowerState/running')
    expect((await readEvidence(installation, name)).bootId).not.toBe(bootId)
    expect(await inGuest('udevadm settle; ls /dev/disk/azure/scsi1')).toBe('lun3\nlun7')
    expect(await inGuest('bash /root/data-disk open data >&2; mount /dev/mapper/data /mnt; cat /mnt/file')).toBe(
      'written before',
    )
    expect(await installation.must('vm', 'trust', name)).toMatchObject({ trusted: true })
    // Its first host is back: it opens none of them.
    hosts.run(from)
    await expect.poll(async () => await stateOf(from), patient).toBe('Ready')
    const opened = (await installation.serverLog()).split('\n').filter((line) => line.includes('a disk was opened'))
    const epochs = opened.map((line) => (JSON.parse(line) as { epoch: number }).epoch)
    expect(epochs).toEqual(epochs.toSorted((x, y) => x - y))
  })

  it('move with it when its host is drained', async () => {
    const { host: from = '' } = await placement()
    await inGuest('echo written last >> /mnt/file; sync')
    expect((await installation.cli('host', 'drain', from)).code).toBe(0)
    await expect.poll(powerOf, patient).toBe('PowerState/running')
    expect((await placement()).host).not.toBe(from)
    expect(
      await inGuest('udevadm settle; bash /root/data-disk open data >&2; mount /dev/mapper/data /mnt; cat /mnt/file'),
    ).toBe('written before\nwritten last')
    expect(await installation.must('vm', 'trust', name)).toMatchObject({ trusted: true })
  })

  it('stay where it is deleted, and nothing of it does', async () => {
    const { vmId } = (await installation.must<VmView>('vm', 'show', name)).properties
    await installation.must('vm', 'delete', name, '--yes')
    const left = (await readdir(installation.home, { recursive: true })).filter((path) =>
      path.includes(vmId.toUpperCase()),
    )
    expect(left).toEqual([])
    expect(await readdir(join(file, '../..'))).toHaveLength(2)
    for (const each of ['data', 'clear']) await arm.run('DELETE', disk(each), apiVersions.compute)
    expect(await readdir(join(file, '../..'))).toEqual([])
  })
})
