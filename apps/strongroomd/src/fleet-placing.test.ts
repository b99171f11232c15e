import { join } from 'node:path'
import type { AddedHost, HostView, ShownHost, VmPlacement } from '@strongroom/contract'
import { joinFleet } from '@strongroom/host/agent'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestInstallation } from './testing/running.ts'
import { makeVm } from './testing/simulated-vm.ts'
import { TestFleet } from './testing/test-fleet.ts'
import { hostPath } from './testing/test-hosts.ts'

interface Sku {
  name: string
  locationInfo: { location: string; zones: string[] }[]
  restrictions: {
    type: string
    values: string[]
    restrictionInfo: { locations: string[]; zones?: string[] }
    reasonCode: string
  }[]
}

let fleet: TestFleet
let installation: TestInstallation
let compute: string
let group: string
beforeAll(async () => {
  fleet = await TestFleet.start()
  installation = fleet.installation
  compute = `${installation.subscription}/providers/Microsoft.Compute`
  group = `${installation.subscription}/resourceGroups/rg1`
})
afterAll(async () => await fleet.close())

async function skus(region = 'westeurope'): Promise<(name: string) => Sku> {
  const { value } = await installation.arm<{ value: Sku[] }>('GET', `${compute}/skus`)
  return (name) =>
    value.find((sku) => sku.name === `Standard_${name}` && sku.locationInfo[0]?.location === region) as Sku
}
async function sizes(): Promise<string[]> {
  const { value } = await installation.arm<{ value: { name: string }[] }>(
    'GET',
    `${compute}/locations/westeurope/vmSizes`,
  )
  return value.map(({ name }) => name.replace('Standard_', ''))
}
async function metrics(): Promise<string[]> {
  const answer = await fetch(`http://127.0.0.1:${installation.running.context.installation.ports.local}/metrics`)
  expect(answer.headers.get('content-type')).toContain('version=0.0.4')
  return (await answer.text()).split('\n').filter((line) => /^strongroom_(host|fleet)/.test(line))
}
const restricted = (type: string, more: object = {}): object => ({
  type,
  values: ['westeurope'],
  restrictionInfo: { locations: ['westeurope'], ...more },
  reasonCode: 'NotAvailableForSubscription',
})

describe('the sizes of a fleet', () => {
  it('are those of the region until a host has joined', async () => {
    const sku = await skus()
    expect(sku('DC4as_v5')).toMatchObject({ locationInfo: [{ zones: ['1', '2', '3'] }], restrictions: [] })
    expect(await sizes()).toContain('DC4es_v5')
    // An invited host changes nothing.
    await installation.arm('PUT', hostPath(installation, 'invited'), {
      location: 'westeurope',
      capacity: { vCPUs: 2, memoryMiB: 8192 },
    })
    expect((await skus())('DC4as_v5').restrictions).toEqual([])
    expect(await metrics()).toContain(
      'strongroom_host_info{host="invited",region="westeurope",zone="",state="Invited"} 1',
    )
    await installation.arm('DELETE', hostPath(installation, 'invited'))
    expect(await metrics()).toEqual([])
  })

  it('are restricted to what its hosts can carry, by zone and region', async () => {
    await fleet.join('a', { zone: '1', vCPUs: 16, tees: ['SNP'] })
    await fleet.join('b', { zone: '1', vCPUs: 8, tees: ['SNP'] })
    await fleet.join('c', { zone: '2', vCPUs: 4, tees: ['SNP'] })
    const sku = await skus()
    expect(sku('DC4as_v5')).toMatchObject({ locationInfo: [{ zones: ['1', '2'] }], restrictions: [] })
    expect(sku('DC16as_v5')).toMatchObject({
      locationInfo: [{ zones: ['1', '2'] }],
      restrictions: [restricted('Zone', { zones: ['2'] })],
    })
    // Too large for any; of a processor that none has; more memory than any has (8 GiB a core); not in this region.
    for (const name of ['DC32as_v5', 'DC4es_v5', 'DC4as_v6'])
      expect(sku(name).restrictions, name).toEqual([restricted('Location')])
    // The region has it, though none of its hosts.
    expect((await skus('northeurope'))('DC4as_v5')).toMatchObject({
      locationInfo: [{ zones: ['1', '2', '3'] }],
      restrictions: [{ type: 'Location', values: ['northeurope'] }],
    })
    const listed = await sizes()
    expect([listed.includes('DC16as_v5'), listed.includes('DC32as_v5'), listed.includes('DC4es_v5')]).toEqual([
      true,
      false,
      false,
    ])
    // A VM of a restricted size is refused.
    await expect(makeVm(installation, { name: 'tdx', size: 'Standard_DC4es_v5' })).rejects.toThrow('AllocationFailed')
    await installation.run('DELETE', `${group}/providers/Microsoft.Compute/virtualMachines/tdx`)
  })

  it('do not vary with the lease of a host', async () => {
    const capacity = { vCPUs: 4, memoryMiB: 32_768 }
    const added = await installation.arm<AddedHost>('PUT', hostPath(installation, 'late'), {
      location: 'eastus',
      tees: ['SNP'],
      capacity,
    })
    await joinFleet({ directory: join(fleet.folder, 'late'), address: added.address, code: added.joinCode })
    expect((await installation.arm<HostView>('GET', hostPath(installation, 'late'))).state).toBe('Lost')
    const sku = await skus('eastus')
    expect([sku('DC4as_v5').restrictions, sku('DC8as_v5').restrictions.map(({ type }) => type)]).toEqual([
      [],
      ['Location'],
    ])
    await installation.arm('DELETE', hostPath(installation, 'late'))
  })

  it('lose the zone of a host that is drained, and get it again', async () => {
    await installation.arm('POST', `${hostPath(installation, 'c')}/drain`)
    expect((await skus())('DC4as_v5')).toMatchObject({ locationInfo: [{ zones: ['1'] }], restrictions: [] })
    await installation.arm('POST', `${hostPath(installation, 'c')}/resume`)
    expect((await skus())('DC4as_v5').locationInfo[0]?.zones).toEqual(['1', '2'])
  })
})

describe('VMs of an availability set', () => {
  const name = (index: number): string => `web${index}`
  const vm = (index: number): string => `${group}/providers/Microsoft.Compute/virtualMachines/${name(index)}`
  const placement = async (index: number): Promise<VmPlacement> =>
    await installation.arm('POST', `${vm(index)}/retrievePlacement`)
  const domains = async (index: number): Promise<unknown[]> => {
    const view = await installation.arm<Record<string, unknown>>('GET', `${vm(index)}/instanceView`)
    return [view['platformFaultDomain'], view['platformUpdateDomain']]
  }
  let set: string

  it('go to different hosts while there are such, with what decided, their domains and the list of the set', async () => {
    await installation.arm('PUT', group, { location: 'westeurope' })
    set = `${group}/providers/Microsoft.Compute/availabilitySets/web`
    const properties = { platformFaultDomainCount: 2 }
    await installation.arm('PUT', set, { location: 'westeurope', sku: { name: 'Aligned' }, properties })
    for (const index of [0, 1, 2, 3])
      await makeVm(installation, { name: name(index), size: 'Standard_DC4as_v5', availabilitySet: set })
    const placed = await Promise.all([0, 1, 2, 3].map(placement))
    // By zone and reservation alone the third would be on a, which has the first, and no VM on c, which is full with one.
    expect(placed.map(({ host }) => host)).toEqual(['a', 'c', 'b', 'a'])
    expect(placed.map(({ why }) => why?.chosen?.spread)).toEqual([
      { faultDomain: 0, updateDomain: 0, others: 0 },
      { faultDomain: 1, updateDomain: 1, others: 0 },
      { faultDomain: 0, updateDomain: 2, others: 0 },
      { faultDomain: 0, updateDomain: 3, others: 1 },
    ])
    expect(placed[0]?.why?.need.spread).toEqual({ id: set, faultDomains: 2, updateDomains: 5 })
    expect(await Promise.all([0, 1, 2, 3].map(domains))).toEqual([
      [0, 0],
      [1, 1],
      [0, 2],
      [0, 3],
    ])
    const { properties: shown } = await installation.arm<{ properties: { virtualMachines: { id: string }[] } }>(
      'GET',
      set,
    )
    expect(shown.virtualMachines.map(({ id }) => id).toSorted()).toEqual([0, 1, 2, 3].map(vm))
  })

  it('have no domain while they have no host', async () => {
    await installation.run('POST', `${vm(3)}/deallocate`)
    expect(await domains(3)).toEqual([undefined, undefined])
    await installation.run('POST', `${vm(3)}/start`)
    expect((await placement(3)).host).toBe('a')
  })

  it('are spread again when their host is lost', async () => {
    await fleet.join('d', { zone: '3', vCPUs: 8, tees: ['SNP'] })
    await fleet.hosts.get('b')!.stop()
    fleet.hosts.delete('b')
    await expect.poll(async () => (await placement(2)).host).toBe('d')
    expect((await placement(2)).why).toMatchObject({ chosen: { spread: { others: 0 } }, moved: { host: 'b' } })
  })
})

describe('the metrics and the view of a host', () => {
  it('have its lease, its beats, its VMs, and what is reserved of what it has', async () => {
    const lines = await metrics()
    const value = (metric: string): number => Number(lines.find((line) => line.startsWith(`${metric} `))?.split(' ')[1])
    expect(value('strongroom_host_vms{host="a"}')).toBe(2)
    expect(value('strongroom_host_cores{host="a"}')).toBe(16)
    expect(value('strongroom_host_reserved_cores{host="a"}')).toBe(8)
    expect(value('strongroom_host_memory_bytes{host="a"}')).toBe(16 * 8 * 2 ** 30)
    expect(value('strongroom_host_reserved_memory_bytes{host="a"}')).toBe(2 * 16 * 2 ** 30)
    expect(value('strongroom_host_lease_seconds{host="a"}')).toBeGreaterThan(0)
    expect(value('strongroom_host_lease_seconds{host="b"}')).toBeLessThan(0)
    expect(value('strongroom_fleet_waiting_vms')).toBe(0)
    expect(lines).toContain('strongroom_host_info{host="b",region="westeurope",zone="1",state="Lost"} 1')
    const before = value('strongroom_host_beats_total{host="a"}')
    const beats = async (): Promise<number> =>
      Number((await metrics()).find((line) => line.startsWith('strongroom_host_beats_total{host="a"}'))?.split(' ')[1])
    await expect.poll(beats).toBeGreaterThan(before)
  })

  it('say the same: what it carries and how that is', async () => {
    const shown = await installation.arm<ShownHost>('GET', hostPath(installation, 'a'))
    expect(shown).toMatchObject({ state: 'Ready', vms: 2, reserved: { vCPUs: 8, memoryMiB: 32 * 1024 } })
    expect(
      shown.carries
        ?.map(({ resourceId, wanted, power, vCPUs, memoryMiB }) => [
          resourceId.split('/').at(-1),
          wanted,
          power,
          vCPUs,
          memoryMiB,
        ])
        .toSorted(),
    ).toEqual([
      ['web0', 'Running', 'Ready', 4, 16 * 1024],
      ['web3', 'Running', 'Ready', 4, 16 * 1024],
    ])
    const { value } = await installation.arm<{ value: HostView[] }>(
      'GET',
      `${installation.subscription}/providers/Strongroom.Fleet/hosts`,
    )
    expect(value.map(({ name: host, vms }) => [host, vms])).toEqual([
      ['local', undefined],
      ['a', 2],
      ['b', 0],
      ['c', 1],
      ['d', 1],
    ])
  })
})
