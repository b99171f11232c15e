import type { BeatAnswer, VmOrder } from '@strongroom/contract'
import { SimulatedCarrier } from '@strongroom/host/agent'
import { systemClock } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestInstallation } from './testing/running.ts'
import { makeVm } from './testing/simulated-vm.ts'
import { TestFleet } from './testing/test-fleet.ts'
import { runHost, type TestHost } from './testing/test-hosts.ts'

/** Cores of a VM. */
const [size, cores] = ['Standard_DC4as_v5', 4]
let fleet: TestFleet
let installation: TestInstallation
beforeAll(async () => {
  fleet = await TestFleet.start()
  installation = fleet.installation
})
afterAll(async () => await fleet.close())

const make = async (name: string, of = size): Promise<string> => await makeVm(installation, { name, size: of })
const ordersOf = async (host: TestHost): Promise<VmOrder[]> =>
  ((await host.send('/beat', {})).body as BeatAnswer).carry ?? []
const vmIdOf = async (vm: string): Promise<string> =>
  (await installation.arm<{ properties: { vmId: string } }>('GET', vm)).properties.vmId.toUpperCase()

describe('VMs of a fleet', () => {
  let first: string
  let second: string

  it('are the server’s own until a host has joined, and stay so', async () => {
    const own = await make('own')
    expect(await fleet.placementOf(own)).toEqual({ host: 'local', epoch: 0 })
    await fleet.join('a', { zone: '1' })
    await fleet.join('b', { zone: '2' })
    await installation.run('POST', `${own}/restart`)
    expect(await fleet.placementOf(own)).toEqual({ host: 'local', epoch: 0 })
    await installation.run('DELETE', own)
  })

  it('run on joined hosts, spread by zone, and say where and why', async () => {
    first = await make('first')
    second = await make('second')
    expect(await fleet.placementOf(first)).toMatchObject({
      host: 'a',
      epoch: 1,
      why: { considered: 2, fitting: 2, chosen: { host: 'a', zone: '1', reservedVCPUs: 0, vCPUs: 16 } },
    })
    expect(await fleet.placementOf(second)).toMatchObject({ host: 'b', epoch: 1 })
    expect(await fleet.powerOf(first)).toBe('PowerState/running')
    expect(await fleet.shown('a')).toMatchObject({
      reserved: { vCPUs: cores },
      carries: [{ resourceId: first, epoch: 1, wanted: 'Running' }],
    })
  })

  it('stop, start and restart where they are; deallocated they free their host, and their epoch goes on', async () => {
    await installation.run('POST', `${first}/powerOff`)
    expect([await fleet.powerOf(first), (await fleet.shown('a')).reserved?.vCPUs]).toEqual([
      'PowerState/stopped',
      cores,
    ])
    await installation.run('POST', `${first}/start`)
    await installation.run('POST', `${first}/restart`)
    expect([await fleet.powerOf(first), (await fleet.placementOf(first)).epoch]).toEqual(['PowerState/running', 1])
    await installation.run('POST', `${first}/deallocate`)
    expect((await fleet.shown('a')).reserved?.vCPUs).toBe(0)
    expect(await fleet.placementOf(first)).toMatchObject({ epoch: 1 })
    expect(await fleet.placementOf(first)).not.toHaveProperty('host')
    await installation.run('POST', `${first}/start`)
    expect(await fleet.placementOf(first)).toMatchObject({ host: 'a', epoch: 2 })
  })

  it('are refused where no host has room, with which hosts and why, and never share it', async () => {
    await fleet.join('tdx', { tees: ['TDX'], vCPUs: 64 })
    const group = first.split('/').slice(0, 5).join('/')
    const failed = await make('large', 'Standard_DC16as_v5').then(
      () => '',
      (error: Error) => error.message,
    )
    expect(JSON.parse(failed)).toMatchObject({
      code: 'AllocationFailed',
      details: [
        { code: 'HostRuledOut', message: '1 host: has no such processor (tdx)' },
        { code: 'HostRuledOut', message: '2 hosts: has no room for its cores (a, b)' },
      ],
    })
    await installation.run('DELETE', `${group}/providers/Microsoft.Compute/virtualMachines/large`)
    expect([(await fleet.shown('a')).reserved?.vCPUs, (await fleet.shown('b')).reserved?.vCPUs]).toEqual([cores, cores])
  })

  it('are refused to a host that lies: about another’s, under another epoch, of a start that nobody asked for (attack W32)', async () => {
    const [a, b] = [fleet.hosts.get('a')!, fleet.hosts.get('b')!]
    const vmId = await vmIdOf(first)
    const order = (await ordersOf(a)).find((each) => each.vmId === vmId)!
    await installation.run('POST', `${first}/powerOff`)
    const stopped = { ...order, wanted: undefined, state: 'Stopped' }
    const ready = { ...stopped, state: 'Ready' }
    const [over, silent] = [
      { status: 200, body: { over: [vmId] } },
      { status: 200, body: { over: [] } },
    ]
    // Another host's name for it, an older and a later epoch, a later start: none of them makes it run.
    expect(await b.send('/report', { vms: [ready] })).toEqual(over)
    for (const epoch of [order.epoch - 1, order.epoch + 1])
      expect(await a.send('/report', { vms: [{ ...ready, epoch }] })).toEqual(over)
    expect(await a.send('/report', { vms: [{ ...ready, run: order.run + 1 }] })).toEqual(silent)
    // Its own host, about a VM that must be off.
    expect(await a.send('/report', { vms: [ready] })).toEqual(silent)
    expect(await fleet.powerOf(first)).toBe('PowerState/stopped')
    await installation.run('POST', `${first}/start`)
    expect(await b.send('/report', { vms: [stopped] })).toEqual(over)
    expect(await fleet.powerOf(first)).toBe('PowerState/running')
    // Nor does a host see VMs that it does not carry.
    expect((await ordersOf(b)).map((each) => each.vmId)).toEqual([await vmIdOf(second)])
    for (const body of [{ vms: [{}] }, { vms: {} }, { vms: [{ ...ready, vmId: '../x' }] }, []])
      expect((await a.send('/report', body)).status).toBe(400)
  })

  it('go on elsewhere under the next epoch when their host is lost, which finds that out when it comes back (attack W33)', async () => {
    const b = fleet.hosts.get('b')!
    const vmId = await vmIdOf(second)
    const before = (await ordersOf(b))[0]!
    await b.stop()
    await expect.poll(async () => (await fleet.placementOf(second)).host).toBe('a')
    await expect.poll(async () => await fleet.powerOf(second)).toBe('PowerState/running')
    expect(await fleet.placementOf(second)).toMatchObject({ host: 'a', epoch: before.epoch + 1 })
    expect(await fleet.shown('b')).toMatchObject({ state: 'Lost', reserved: { vCPUs: 0, memoryMiB: 0 }, carries: [] })
    const again = await runHost(installation, { name: 'b', folder: fleet.folder })
    fleet.hosts.set('b', again)
    await expect.poll(again.isLeased).toBe(true)
    expect(await ordersOf(again)).toEqual([])
    expect(
      await again.send('/report', { vms: [{ vmId, epoch: before.epoch, run: before.run, state: 'Stopped' }] }),
    ).toEqual({ status: 200, body: { over: [vmId] } })
    expect(await fleet.powerOf(second)).toBe('PowerState/running')
  })

  it('that find no other host wait, and run once one has room', async () => {
    const tdx = fleet.hosts.get('tdx')!
    const third = await make('third', 'Standard_DC32es_v5')
    expect((await fleet.placementOf(third)).host).toBe('tdx')
    await tdx.stop()
    await expect.poll(async () => (await fleet.placementOf(third)).host).toBeUndefined()
    expect(await fleet.powerOf(third)).toBe('PowerState/starting')
    const roomy = await fleet.join('roomy', { vCPUs: 64 })
    await expect.poll(async () => (await fleet.placementOf(third)).host).toBe('roomy')
    await expect.poll(async () => await fleet.powerOf(third)).toBe('PowerState/running')
    expect(await fleet.placementOf(third)).toMatchObject({ why: { moved: { host: 'tdx', reason: 'lost' } } })
    await installation.run('DELETE', third)
    expect((await fleet.shown('roomy')).reserved).toEqual({ vCPUs: 0, memoryMiB: 0 })
    await roomy.stop()
  })
})

describe('a host whose lease is over', () => {
  it('ends its VMs by the time since its boot, whatever clock or control plane say, and resumes at the next one (attack W33)', async () => {
    const ended: number[] = []
    let ahead = 0
    class Watched extends SimulatedCarrier {
      override endAll(): void {
        if (this.reports().length > 0) ended.push(this.reports().length)
        super.endAll()
      }
    }
    const clock = {
      // A stopped wall clock renews nothing and ends nothing.
      now: () => new Date('2026-11-28T00:00:00Z'),
      elapsed: () => ({ era: 'test', milliseconds: systemClock.elapsed!().milliseconds + ahead }),
    }
    const carrier = new Watched()
    await expect.poll(async () => (await fleet.shown('roomy')).state).toBe('Lost')
    await fleet.join('watched', { zone: '3', clock, carrier, vCPUs: 64 })
    const vm = await make('fenced', 'Standard_DC32as_v5')
    expect((await fleet.placementOf(vm)).host).toBe('watched')
    await expect.poll(() => carrier.reports().length).toBe(1)
    expect(ended).toEqual([])
    // Slept through its lease, like a suspended host.
    ahead += 11_000
    await expect.poll(() => ended).toEqual([1])
    await expect.poll(() => carrier.reports().length).toBe(1)
    expect(await fleet.placementOf(vm)).toMatchObject({ host: 'watched', epoch: 1 })
  })
})
