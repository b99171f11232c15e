import { execFile } from 'node:child_process'
import { mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { HostView, VmPlacement } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { apiVersions, type ArmClient } from '../../apps/cli/src/client/arm.ts'
import { vmPath } from '../../apps/cli/src/up/vm-request.ts'
import { storedFiles, writeStored } from '../../services/host/src/disks/stored/record.ts'
import { SiteCeph } from '../fleet/site/site-ceph.ts'
import { TestInstallation } from './support/installation.ts'
import { JoinedHosts } from './support/joined-hosts.ts'
import { processesOf } from './support/processes.ts'
import { openArm, readEvidence, statusOf, type VmView } from './support/vm.ts'

/** One guest, really booted, on hosts that open its disk in a real Ceph. The tests share it, in this order. */
describe.runIf(process.geteuid?.() === 0)('a guest on joined hosts whose disk is in Ceph', () => {
  const name = 'stored'
  let installation: TestInstallation
  let hosts: JoinedHosts
  let ceph: SiteCeph
  let directory: string
  let vmId: string
  let arm: ArmClient
  let disk: string

  beforeAll(async () => {
    installation = await TestInstallation.create()
    hosts = await JoinedHosts.prepare(installation)
    const [address = ''] = hosts.address.split(':')
    directory = await mkdtemp(join(tmpdir(), 'strongroom-ceph-'))
    ceph = await SiteCeph.start({ directory, within: ['env'], address })
    await installation.start({}, ['--fleet-address', hosts.address, '--fleet-storage', await ceph.storageFile()])
    await installation.must('image', 'build')
    for (const host of ['a', 'b']) await hosts.join(host, 8)
    for (const host of ['a', 'b']) await ready(host)
  })
  afterAll(async () => {
    await hosts.remove()
    await installation.remove()
    await ceph.stop()
    await rm(directory, { recursive: true, force: true })
  })

  const ready = async (host: string): Promise<void> =>
    await vi.waitFor(
      async () => expect((await installation.must<HostView>('host', 'show', host)).state).toBe('Ready'),
      { timeout: 300_000, interval: 500 },
    )
  const placement = async (): Promise<VmPlacement> => await installation.must('vm', 'show', name, '--placement')
  const powerOf = async (): Promise<string> =>
    statusOf(await installation.must<VmView>('vm', 'show', name), 'PowerState/').code
  async function inGuest(script: string): Promise<string> {
    const file = join(installation.home, 'script.sh')
    await writeFile(file, script)
    const { value } = await installation.must<{ value: { message: string }[] }>('vm', 'run-command', name, file)
    return value.map(({ message }) => message).join('\n')
  }
  const diskPath = (): string => `${arm.subscription}/resourceGroups/strongroom/providers/Microsoft.Compute/disks/data`
  /** @returns its id on the host */
  async function makeDataDisk(): Promise<string> {
    arm = await openArm(installation)
    const properties = { creationData: { createOption: 'Empty' }, diskSizeGB: 1 }
    await arm.run('PUT', diskPath(), apiVersions.compute, { location: arm.region, properties })
    const { properties: made } = await arm.get<{ properties: { uniqueId: string } }>(diskPath(), apiVersions.compute)
    return made.uniqueId.toUpperCase()
  }
  async function attach(...names: string[]): Promise<void> {
    const dataDisks = names.map(() => ({ lun: 3, createOption: 'Attach', managedDisk: { id: diskPath() } }))
    const properties = { storageProfile: { dataDisks } }
    await arm.run('PATCH', vmPath(arm, 'strongroom', name), apiVersions.compute, { properties })
  }
  const asked = async (program: string, ...args: string[]): Promise<string> =>
    (await promisify(execFile)(program, [...ceph.asAdministrator, ...args])).stdout

  it('boots, attested and unlocked, and has nothing on the server but the name of its pool', async () => {
    await installation.must('vm', 'create', name)
    vmId = (await installation.must<VmView>('vm', 'show', name)).properties.vmId.toUpperCase()
    expect(await placement()).toMatchObject({ host: 'a', epoch: 1 })
    expect(await installation.must('vm', 'trust', name)).toMatchObject({ trusted: true })
    expect(await readdir(join(installation.stateDir, 'fleet', vmId))).toEqual(['ceph.json'])
    expect(await asked('rbd', 'status', `strongroom/${vmId}/os-disk`)).toContain('watcher=')
  })

  it('has a data disk there too, which moved from the server with what was on it', async () => {
    disk = await makeDataDisk()
    // As if it had been attached to a VM on the server before.
    const status = { id: disk, state: 'Succeeded' as const, steps: [], sizeBytes: 2 ** 30, missing: [] }
    await writeStored(installation.stateDir, {
      spec: { id: disk, name: 'data', source: { from: 'empty', sizeGiB: 1 } },
      status,
    })
    const content = await open(storedFiles(installation.stateDir, disk).disk, 'w', 0o600)
    await content.truncate(2 ** 30)
    await content.write(Buffer.from('from the server'), 0, 15, 512 * 2 ** 20)
    await content.close()
    await attach('data')
    expect(
      await installation.asRoot(
        name,
        'udevadm settle; dd if=/dev/disk/azure/scsi1/lun3 bs=15 count=1 iflag=skip_bytes skip=512M status=none',
      ),
    ).toBe('from the server')
    await installation.asRoot(
      name,
      'mkfs.ext4 -q /dev/disk/azure/scsi1/lun3; mount /dev/disk/azure/scsi1/lun3 /mnt; echo on the data disk > /mnt/file; sync',
    )
    expect(await asked('rbd', 'status', `strongroom/${disk}/data-disk`)).toContain('watcher=')
    expect((await readdir(join(installation.stateDir, 'disks', disk))).toSorted()).toEqual(['ceph.json', 'kept.json'])
  })

  it('goes on elsewhere when its host is cut off while it writes, with its vTPM, its guest state and what it had synced', async () => {
    const before = await readEvidence(installation, name)
    await inGuest(
      'echo written before > /root/kept; sync; (while :; do date >> /root/log; sync; sleep 0.2; done) >/dev/null 2>&1 &',
    )
    await hosts.setLink('a', false)
    await expect.poll(async () => (await placement()).host, { timeout: 300_000 }).toBe('b')
    await expect.poll(powerOf, { timeout: 600_000, interval: 2_000 }).toBe('PowerState/running')
    expect(await placement()).toMatchObject({ host: 'b', epoch: 2, why: { moved: { host: 'a', reason: 'lost' } } })
    expect(await installation.must('vm', 'trust', name)).toMatchObject({ trusted: true })
    const after = await readEvidence(installation, name)
    expect(after.vtpm.akPublic).toBe(before.vtpm.akPublic)
    expect(after.guestState.generation).toBeGreaterThan(before.guestState.generation)
    expect(await inGuest('cat /root/kept')).toContain('written before')
    expect(await inGuest('mount /dev/disk/azure/scsi1/lun3 /mnt; cat /mnt/file; umount /mnt')).toContain(
      'on the data disk',
    )
    await attach()
    expect(await asked('rbd', 'status', `strongroom/${disk}/data-disk`)).not.toContain('watcher=')
    expect(await asked('ceph', 'auth', 'ls')).not.toContain(disk)
    await hosts.setLink('a', true)
    await ready('a')
    expect((await processesOf(vmId)).filter(({ command }) => command.startsWith('qemu-system'))).toHaveLength(1)
    expect((await asked('rbd', 'status', `strongroom/${vmId}/os-disk`)).split('watcher=')).toHaveLength(2)
    expect(await asked('ceph', 'osd', 'blocklist', 'ls')).toMatch(/:0\/\d+ /)
  })

  it('leaves nothing in the cluster or on the server when it is deleted', async () => {
    await installation.must('vm', 'delete', name, '--yes')
    expect(await asked('rbd', 'namespace', 'ls', 'strongroom')).toContain(disk)
    await arm.run('DELETE', diskPath(), apiVersions.compute)
    expect(await asked('rbd', 'namespace', 'ls', 'strongroom')).not.toContain(disk)
    expect(await asked('rbd', 'namespace', 'ls', 'strongroom')).not.toContain(vmId)
    expect(await asked('rados', '-p', 'strongroom', 'ls', '--all')).not.toContain(vmId)
    expect(await asked('ceph', 'auth', 'ls')).not.toContain(vmId)
    expect(await readdir(join(installation.stateDir, 'fleet'))).toEqual([])
  })
})
