import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BootEvidence, HostView, VmPlacement } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiVersions } from '../../apps/cli/src/client/arm.ts'
import { TestInstallation } from './support/installation.ts'
import { JoinedHosts } from './support/joined-hosts.ts'
import { processesOf } from './support/processes.ts'
import { scheduledEvents } from './support/scheduled-events.ts'
import { openArm, readEvidence, statusOf, type VmView } from './support/vm.ts'

/** One guest, really booted on hosts that have joined. The tests share it, in this order. */
const installation = await TestInstallation.create()
const name = 'carried'
let hosts: JoinedHosts

beforeAll(async () => {
  hosts = await JoinedHosts.prepare(installation)
  await installation.start({}, ['--fleet-address', hosts.address])
  await installation.must('image', 'build')
  await hosts.join('a', 8)
})

afterAll(async () => {
  await hosts.remove()
  await installation.remove()
})

const stateOf = async (host: string): Promise<string> => (await installation.must<HostView>('host', 'show', host)).state
const placement = async (): Promise<VmPlacement> => await installation.must('vm', 'show', name, '--placement')
const view = async (): Promise<VmView> => await installation.must<VmView>('vm', 'show', name)
const powerOf = async (): Promise<string> => statusOf(await view(), 'PowerState/').code
const isTrusted = async (): Promise<boolean> =>
  (await installation.must<{ trusted: boolean }>('vm', 'trust', name)).trusted

/** As the owner, who signs what the guest is to run. */
async function inGuest(script: string): Promise<string> {
  const file = join(installation.home, 'script.sh')
  await writeFile(file, script)
  const { value } = await installation.must<{ value: { message: string }[] }>('vm', 'run-command', name, file)
  return value.map(({ message }) => message).join('\n')
}

/** As the storage has served them. */
async function openedEpochs(): Promise<number[]> {
  const log = (await installation.serverLog()).split('\n').filter((line) => line.includes('a disk was opened'))
  return log.map((line) => (JSON.parse(line) as { epoch: number }).epoch)
}

function attestedEpoch({ runtimeClaims }: BootEvidence): unknown {
  const claims = JSON.parse(Buffer.from(runtimeClaims, 'base64url').toString()) as Record<
    string,
    Record<string, unknown>
  >
  return claims['vm-configuration']?.['placement-epoch']
}

describe('a guest on a joined host', () => {
  it('boots there, attested and unlocked through the control plane, and is trusted', async () => {
    await expect.poll(async () => await stateOf('a')).toBe('Ready')
    await installation.must('vm', 'create', name)
    expect(await placement()).toMatchObject({ host: 'a', epoch: 1 })
    expect(await isTrusted()).toBe(true)
    expect(attestedEpoch(await readEvidence(installation, name))).toBe(1)
    // Its QEMU runs on that host, and the server's own host has none.
    const [{ vmId }] = [(await view()).properties]
    const machines = await processesOf(vmId)
    expect(machines.length).toBeGreaterThan(0)
    for (const { environ } of machines) expect(environ).not.toContain(installation.stateDir.concat('/server'))
    expect(await readFile(join(hosts.directoryOf('a'), 'host.log'), 'utf8')).not.toContain('PRIVATE KEY')
  })

  it('has SSH through the server, in both directions and to its end', async () => {
    expect((await installation.inGuest(name, 'hostname')).stdout.trim()).toBe(name)
    const { stdout } = await installation.inGuest(
      name,
      'head -c 1000000 /dev/zero | wc -c; head -c 300000 /dev/zero | base64 -w 0',
    )
    expect([stdout.split('\n')[0], stdout.split('\n')[1]?.length]).toEqual(['1000000', 400_000])
  })

  it('runs what its owner signs, and shows its boot log', async () => {
    await inGuest('echo written before > /root/kept; sync')
    expect(await inGuest('cat /root/kept')).toContain('written before')
    const arm = await openArm(installation)
    const vm = `${arm.subscription}/resourceGroups/strongroom/providers/Microsoft.Compute/virtualMachines/${name}`
    const diagnosticsProfile = { bootDiagnostics: { enabled: true } }
    await arm.result('PATCH', vm, apiVersions.compute, { properties: { diagnosticsProfile } })
    const { serialConsoleLogBlobUri } = (
      await arm.send('POST', `${vm}/retrieveBootDiagnosticsData`, apiVersions.compute)
    ).json as { serialConsoleLogBlobUri: string }
    expect((await arm.sendUrl('GET', serialConsoleLogBlobUri)).text).toContain('Linux')
  })
})

describe('a guest whose server starts again', () => {
  it('goes on where it is: its disk is there again before it noticed', async () => {
    const { bootId } = await readEvidence(installation, name)
    await installation.kill()
    await installation.start({}, ['--fleet-address', hosts.address])
    await expect.poll(async () => await stateOf('a')).toBe('Ready')
    expect(await inGuest('echo after > /root/after; sync; cat /root/after')).toContain('after')
    expect(await placement()).toMatchObject({ host: 'a', epoch: 1 })
    expect((await readEvidence(installation, name)).bootId).toBe(bootId)
  })
})

describe('a guest whose host is lost', () => {
  it('starts on another within the lease and ten seconds, attested, with its disk and its vTPM as they were', async () => {
    await hosts.join('b', 8)
    await expect.poll(async () => await stateOf('b')).toBe('Ready')
    const before = await readEvidence(installation, name)
    await hosts.kill('a')
    const lost = performance.now()
    await expect.poll(async () => (await placement()).host, { timeout: 30_000, interval: 200 }).toBe('b')
    expect(performance.now() - lost).toBeLessThan(20_000)
    await expect.poll(powerOf, { timeout: 300_000, interval: 2_000 }).toBe('PowerState/running')
    expect(await placement()).toMatchObject({ host: 'b', epoch: 2, why: { moved: { host: 'a', reason: 'lost' } } })
    expect(await isTrusted()).toBe(true)
    const after = await readEvidence(installation, name)
    expect(attestedEpoch(after)).toBe(2)
    expect(after.vtpm.akPublic).toBe(before.vtpm.akPublic)
    expect(after.guestState.generation).toBeGreaterThan(before.guestState.generation)
    expect(await inGuest('cat /root/kept')).toContain('written before')
  })

  it('is no more the first host’s, which comes back, starts nothing and writes nothing', async () => {
    hosts.run('a')
    await expect.poll(async () => await stateOf('a')).toBe('Ready')
    const { carries } = await installation.must<{ carries: unknown[] }>('host', 'show', 'a')
    expect(carries).toEqual([])
    // What the storage has served since: nothing at the first epoch after the second.
    const epochs = await openedEpochs()
    expect(epochs).toEqual(epochs.toSorted((x, y) => x - y))
    expect(epochs.at(-1)).toBe(2)
  })

  it.runIf(process.geteuid?.() === 0)(
    'ends on a host that is cut off, and goes on elsewhere: nothing is written by two',
    async () => {
      const { vmId } = (await view()).properties
      await hosts.setLink('b', false)
      await expect.poll(async () => (await placement()).host, { timeout: 30_000, interval: 200 }).toBe('a')
      await expect.poll(powerOf, { timeout: 300_000, interval: 2_000 }).toBe('PowerState/running')
      expect(await placement()).toMatchObject({ host: 'a', epoch: 3, why: { moved: { host: 'b', reason: 'lost' } } })
      // The host that was cut off has ended it by its own clock: one of the two QEMUs is left.
      expect((await processesOf(vmId)).filter(({ command }) => command.startsWith('qemu'))).toHaveLength(1)
      expect(await isTrusted()).toBe(true)
      expect(await inGuest('cat /root/kept')).toContain('written before')
      await hosts.setLink('b', true)
      await expect.poll(async () => await stateOf('b')).toBe('Ready')
      expect((await openedEpochs()).at(-1)).toBe(3)
      expect(await openedEpochs()).toEqual((await openedEpochs()).toSorted((x, y) => x - y))
    },
  )
})

describe('a guest whose host is stopped', () => {
  it('powers off with everything it wrote, and goes on where it is placed next', async () => {
    const { host: on = '', epoch } = await placement()
    const before = await readEvidence(installation, name)
    // Neither the file system nor the kernel writes to the disk by itself from here on.
    await inGuest(
      'mount -o remount,commit=3600 /; sysctl -q vm.dirty_writeback_centisecs=0 vm.dirty_expire_centisecs=360000; ' +
        'echo never flushed > /root/unflushed',
    )
    expect(await hosts.stop(on)).toBe(0)
    hosts.run(on)
    await expect
      .poll(async () => (await readEvidence(installation, name)).bootId, { timeout: 300_000, interval: 2_000 })
      .not.toBe(before.bootId)
    await expect.poll(powerOf, { timeout: 300_000, interval: 2_000 }).toBe('PowerState/running')
    expect(await inGuest('cat /root/unflushed')).toContain('never flushed')
    // The same host if it was back within its lease, else another; either way from the state that it wrote at the end.
    expect((await placement()).epoch).toBeLessThanOrEqual(epoch + 1)
    const after = await readEvidence(installation, name)
    expect(after.guestState.generation).toBe(before.guestState.generation + 2)
    expect(await isTrusted()).toBe(true)
  })
})

const events = async (approve?: string): ReturnType<typeof scheduledEvents> =>
  await scheduledEvents(installation, name, approve)

describe('a guest whose host is drained', () => {
  it('knows of it in advance, powers off once it has approved, and goes on elsewhere with what it wrote', async () => {
    const { host: from = '' } = await placement()
    const before = await readEvidence(installation, name)
    await inGuest('echo written last > /root/last; sync')
    expect(await events()).toEqual([])
    await installation.must('vm', 'update', name, '--move-notice', '60')
    const draining = installation.cli('host', 'drain', from)
    await expect
      .poll(async () => await events())
      .toMatchObject([{ EventType: 'Redeploy', EventStatus: 'Scheduled', Resources: [name] }])
    const [event] = await events()
    expect(Date.parse(event!.NotBefore)).toBeGreaterThan(Date.now() + 50 * 60_000)
    expect(await placement()).toMatchObject({ host: from })
    expect(await powerOf()).toBe('PowerState/running')
    await events(event!.EventId)
    const drained = await draining
    expect(drained.code).toBe(0)
    expect(drained.stderr).toContain(`${name} moves at `)
    expect(drained.stderr).toContain(`1 of 1 VMs have left ${from}`)
    await expect.poll(powerOf, { timeout: 300_000, interval: 2_000 }).toBe('PowerState/running')
    expect(await placement()).toMatchObject({ why: { moved: { host: from, reason: 'drained' } } })
    expect((await placement()).host).not.toBe(from)
    expect(await isTrusted()).toBe(true)
    expect(await inGuest('cat /root/last /root/kept')).toContain('written last')
    await expect.poll(async () => await events()).toEqual([])
    // Written once when it powered off and once at its next start, and not in between.
    const after = await readEvidence(installation, name)
    expect(after.guestState.generation).toBe(before.guestState.generation + 2)
  })

  it('leaves nothing on its hosts or in the storage when it is deleted', async () => {
    const { vmId } = (await view()).properties
    await installation.must('vm', 'delete', name, '--yes')
    const left = async (): Promise<string[]> =>
      (await readdir(installation.home, { recursive: true })).filter((path) => path.includes(vmId.toUpperCase()))
    await expect.poll(left).toEqual([])
  })
})
