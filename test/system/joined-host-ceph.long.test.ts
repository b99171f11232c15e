import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { HostView, VmPlacement } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SiteCeph } from '../fleet/site/site-ceph.ts'
import { TestInstallation } from './support/installation.ts'
import { JoinedHosts } from './support/joined-hosts.ts'
import { processesOf } from './support/processes.ts'
import { readEvidence, statusOf, type VmView } from './support/vm.ts'

/** One guest, really booted, on hosts that open its disk in a real Ceph. The tests share it, in this order. */
describe.runIf(process.geteuid?.() === 0)('a guest on joined hosts whose disk is in Ceph', () => {
  const name = 'stored'
  let installation: TestInstallation
  let hosts: JoinedHosts
  let ceph: SiteCeph
  let directory: string
  let vmId: string

  beforeAll(async () => {
    installation = await TestInstallation.create()
    hosts = await JoinedHosts.prepare(installation)
    const [address = ''] = hosts.address.split(':')
    directory = await mkdtemp(join(tmpdir(), 'strongroom-ceph-'))
    ceph = await SiteCeph.start({ directory, within: ['env'], address })
    await installation.start({}, ['--fleet-address', hosts.address, '--fleet-storage', await ceph.storageFile()])
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
    await expect
      .poll(async () => (await installation.must<HostView>('host', 'show', host)).state, { timeout: 300_000 })
      .toBe('Ready')
  const placement = async (): Promise<VmPlacement> => await installation.must('vm', 'show', name, '--placement')
  const powerOf = async (): Promise<string> => statusOf(await installation.must<VmView>('vm', 'show', name), 'PowerState/').code // prettier-ignore
  async function inGuest(script: string): Promise<string> {
    const file = join(installation.home, 'script.sh')
    await writeFile(file, script)
    const { value } = await installation.must<{ value: { message: string }[] }>('vm', 'run-command', name, file)
    return value.map(({ message }) => message).join('\n')
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

  it('goes on elsewhere when its host is cut off while it writes, with its vTPM, its guest state and what it had synced', async () => {
    const before = await readEvidence(installation, name)
    await inGuest('echo written before > /root/kept; sync; (while :; do date >> /root/log; sync; sleep 0.2; done) >/dev/null 2>&1 &') // prettier-ignore
    await hosts.setLink('a', false)
    await expect.poll(async () => (await placement()).host, { timeout: 300_000 }).toBe('b')
    await expect.poll(powerOf, { timeout: 600_000, interval: 2_000 }).toBe('PowerState/running')
    expect(await placement()).toMatchObject({ host: 'b', epoch: 2, why: { moved: { host: 'a', reason: 'lost' } } })
    expect(await installation.must('vm', 'trust', name)).toMatchObject({ trusted: true })
    const after = await readEvidence(installation, name)
    expect(after.vtpm.akPublic).toBe(before.vtpm.akPublic)
    expect(after.guestState.generation).toBeGreaterThan(before.guestState.generation)
    expect(await inGuest('cat /root/kept')).toContain('written before')
    await hosts.setLink('a', true)
    await ready('a')
    expect((await processesOf(vmId)).filter(({ command }) => command.startsWith('qemu-system'))).toHaveLength(1)
    expect((await asked('rbd', 'status', `strongroom/${vmId}/os-disk`)).split('watcher=')).toHaveLength(2)
    expect(await asked('ceph', 'osd', 'blocklist', 'ls')).toMatch(/:0\/\d+ /)
  })

  it('leaves nothing in the cluster or on the server when it is deleted', async () => {
    await installation.must('vm', 'delete', name, '--yes')
    expect(await asked('rbd', 'namespace', 'ls', 'strongroom')).not.toContain(vmId)
    expect(await asked('rados', '-p', 'strongroom', 'ls', '--all')).not.toContain(vmId)
    expect(await asked('ceph', 'auth', 'ls')).not.toContain(vmId)
    expect(await readdir(join(installation.stateDir, 'fleet'))).toEqual([])
  })
})
