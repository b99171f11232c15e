import { randomUUID } from 'node:crypto'
import type { InstanceSpec, VmOrder } from '@strongroom/contract'
import { createLogger, systemClock, type Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { SimulatedHost } from '../host/simulated-host.ts'
import { migrations } from '../store/migrations.ts'
import { ResourceStore } from '../store/resources.ts'
import { noEvidence } from '../testing/fleet-listener.ts'
import { fleetSimulated } from './carried-compute.ts'
import { Failover } from './failover.ts'
import { FleetCompute } from './fleet-compute.ts'
import type { FleetHost } from './fleet-host.ts'
import { Placements } from './placements.ts'
import { PlannedMoves, type MovePolicy } from './planned-moves.ts'
import { HostRegistry } from './registry.ts'
import { WorkSignal } from './work-signal.ts'

const set = '/sets/web'
const specOf = (vmId: string, o: { spread?: boolean } = {}): InstanceSpec =>
  ({
    vmId,
    resourceId: `/vms/${vmId}`,
    region: 'westeurope',
    tee: 'SNP',
    size: { name: 'Standard_DC4as_v5', vCPUs: 4, memoryMiB: 16_384 },
    security: { encryption: 'DiskWithVMGuestState', secureBoot: true, vTpm: true },
    osProfile: { computerName: 'vm', adminUsername: 'me', sshPublicKeys: [] },
    guestStateKey: 'https://platform.vault.strongroom.internal/keys/vm/1',
    attestationProvider: 'https://sharedweu.weu.attest.strongroom.internal',
    ...(o.spread === true && { shown: { spread: { id: set, faultDomains: 2, updateDomains: 5 } } }),
  }) as unknown as InstanceSpec

/** A fleet of VMs without guests, whose hosts say what they are asked to. */
class Fleet {
  readonly store: Store
  readonly registry: HostRegistry
  readonly placements: Placements
  readonly compute: FleetCompute
  readonly failover: Failover
  /** Owners' wishes in seconds, by VM. */
  readonly notices = new Map<string, number>()
  /** All owners' windows. */
  opening: (at: Date) => Date = (at) => at
  readonly #hosts = new Map<string, FleetHost>()

  constructor(store: Store) {
    this.store = store
    // Leases end where a test ends them, however slow the machine is.
    this.registry = new HostRegistry(store, { leaseSeconds: 3600 })
    const { registry } = this
    this.placements = new Placements(store, registry)
    const { placements } = this
    const inner = fleetSimulated(new SimulatedHost(new ResourceStore(store, systemClock), systemClock, noEvidence))
    const policyOf = async (id: string): Promise<MovePolicy> =>
      await Promise.resolve({
        noticeSeconds: this.notices.get(id.split('/').at(-1) ?? '') ?? 0,
        opening: (at: Date) => this.opening(at),
      })
    this.compute = new FleetCompute({
      inner,
      placements,
      registry,
      planned: new PlannedMoves(store),
      signal: new WorkSignal(),
      policyOf,
    })
    this.failover = new Failover({
      placements,
      registry,
      compute: this.compute,
      logger: createLogger({ level: 'silent' }),
    })
  }

  static async of(store: Store, ...names: string[]): Promise<Fleet> {
    await store.migrate('control-plane', migrations)
    const fleet = new Fleet(store)
    for (const name of names) await fleet.join(name)
    return fleet
  }

  /** @param vms for which it has room */
  async join(name: string, vms = 4): Promise<void> {
    const { secret } = await this.registry.add({
      name,
      region: 'westeurope',
      zone: '1',
      tees: ['SNP'],
      labels: {},
      vCPUs: 4 * vms,
      memoryMiB: 16_384 * vms,
    })
    const joined = await this.registry.redeem({ name, secret, key: randomUUID().replaceAll('-', '').repeat(2) })
    await this.registry.renew(joined)
    this.#hosts.set(name, joined)
  }

  /** As if it had been silent for too long. */
  async expire(name: string): Promise<void> {
    const { id } = this.#hosts.get(name)!
    await this.store.db
      .updateTable('fleet_lease')
      .set({ until: '2026-01-01T00:00:00.000Z' })
      .where('host', '=', id)
      .execute()
  }

  async renew(name: string): Promise<void> {
    await this.registry.renew(this.#hosts.get(name)!)
  }

  async orders(name: string): Promise<VmOrder[]> {
    return (await this.compute.ordersOf(this.#hosts.get(name)!)).carry ?? []
  }

  async order(name: string, vmId: string): Promise<VmOrder | undefined> {
    return (await this.orders(name)).find((order) => order.vmId === vmId)
  }

  /** The host has done all that it was asked to. */
  async report(name: string): Promise<void> {
    const vms = (await this.orders(name)).map(({ vmId, epoch, run, wanted }) => ({
      vmId,
      epoch,
      run,
      state: wanted === 'Running' ? ('Ready' as const) : ('Stopped' as const),
    }))
    await this.compute.report(this.#hosts.get(name)!, vms)
  }

  async run(vmId: string, on: string, o: { spread?: boolean } = {}): Promise<void> {
    await this.compute.asHost().provision(specOf(vmId, o))
    await this.compute.asHost().start(vmId)
    await this.report(on)
  }

  async shown(name: string, vmId: string) {
    return (await this.compute.views.carriedBy(this.#hosts.get(name)!)).find(({ resourceId }) =>
      resourceId.endsWith(vmId),
    )
  }

  async hostOf(vmId: string): Promise<string | undefined> {
    return (await this.compute.views.placementOf(vmId)).host
  }

  /** As if the time were there. */
  async due(vmId: string): Promise<void> {
    await this.store.db
      .updateTable('planned_move')
      .set({ not_before: '2026-01-01T00:00:00.000Z' })
      .where('vm_id', '=', vmId)
      .execute()
  }
}

describeStores('a planned move', (open) => {
  it('is told to the VM’s host, begins at its time and not before, and is over once the VM runs elsewhere', async () => {
    const fleet = await Fleet.of(await open(), 'a')
    fleet.notices.set('VM-1', 600)
    await fleet.run('VM-1', 'a')
    await fleet.join('b')
    expect(await fleet.order('a', 'VM-1')).not.toHaveProperty('event')
    const before = Date.now()
    await fleet.registry.setDraining('a', true)
    for (const _sweep of [1, 2, 3]) await fleet.failover.sweep()
    const order = await fleet.order('a', 'VM-1')
    expect(order).toMatchObject({ wanted: 'Running', event: { type: 'Redeploy', status: 'Scheduled' } })
    expect(Date.parse(order!.event!.notBefore) - before).toBeGreaterThan(590_000)
    expect((await fleet.shown('a', 'VM-1'))?.move).toMatchObject({
      status: 'Scheduled',
      approved: false,
      waitsFor: 'notice',
    })

    await fleet.due('VM-1')
    await fleet.failover.sweep()
    expect(await fleet.order('a', 'VM-1')).toMatchObject({
      wanted: 'Stopped',
      event: { id: order!.event!.id, status: 'Started' },
    })
    await fleet.report('a')
    await fleet.failover.sweep()
    expect(await fleet.hostOf('VM-1')).toBe('b')
    expect(await fleet.order('b', 'VM-1')).toMatchObject({ wanted: 'Running', event: { status: 'Started' } })
    await fleet.failover.sweep()
    expect(await fleet.order('b', 'VM-1')).toHaveProperty('event')
    await fleet.report('b')
    await fleet.failover.sweep()
    expect(await fleet.order('b', 'VM-1')).not.toHaveProperty('event')
    expect(await fleet.shown('b', 'VM-1')).not.toHaveProperty('move')
  })

  it('begins earlier where it was approved, under its own id alone', async () => {
    const fleet = await Fleet.of(await open(), 'a')
    fleet.notices.set('VM-1', 600)
    await fleet.run('VM-1', 'a')
    await fleet.join('b')
    const notPlanned = expect.objectContaining({ code: 'EventNotPlanned', status: 404 }) as Error
    await expect(fleet.compute.approveMove('VM-1')).rejects.toEqual(notPlanned)
    await fleet.registry.setDraining('a', true)
    await fleet.failover.sweep()
    const { id } = (await fleet.order('a', 'VM-1'))!.event!
    await expect(fleet.compute.approveMove('VM-1', randomUUID().toUpperCase())).rejects.toEqual(notPlanned)
    await expect(fleet.compute.approveMove('VM-2', id)).rejects.toEqual(notPlanned)
    await fleet.failover.sweep()
    expect((await fleet.order('a', 'VM-1'))?.wanted).toBe('Running')
    for (const _time of [1, 2]) await fleet.compute.approveMove('VM-1', id)
    expect((await fleet.shown('a', 'VM-1'))?.move).toMatchObject({ approved: true })
    await fleet.failover.sweep()
    expect((await fleet.order('a', 'VM-1'))?.wanted).toBe('Stopped')
  })

  it('has the longer of the times that the operator and the owner want, and none without either', async () => {
    const fleet = await Fleet.of(await open(), 'a')
    fleet.notices.set('VM-1', 1200)
    for (const vmId of ['VM-1', 'VM-2']) await fleet.run(vmId, 'a')
    await fleet.join('b')
    await fleet.registry.setDraining('a', true, 600)
    await fleet.failover.sweep()
    const moves = await fleet.store.db.selectFrom('planned_move').selectAll().orderBy('vm_id').execute()
    const seconds = moves.map(
      (move) => (Date.parse(String(move['not_before'])) - Date.parse(String(move['created_at']))) / 1000,
    )
    expect(seconds).toEqual([1200, 600])
    await fleet.registry.setDraining('a', false)
    await fleet.failover.sweep()
    await fleet.registry.setDraining('a', true)
    await fleet.failover.sweep()
    expect((await fleet.order('a', 'VM-1'))?.wanted).toBe('Running')
    expect((await fleet.order('a', 'VM-2'))?.wanted).toBe('Stopped')
  })

  it('comes earlier where the operator wants less notice than before, never later, and not before its owner’s', async () => {
    const fleet = await Fleet.of(await open(), 'a')
    fleet.notices.set('VM-1', 1200)
    for (const vmId of ['VM-1', 'VM-2']) await fleet.run(vmId, 'a')
    await fleet.join('b')
    const minutes = async (): Promise<number[]> => {
      const moves = await fleet.store.db.selectFrom('planned_move').selectAll().orderBy('vm_id').execute()
      return moves.map((move) =>
        Math.round((Date.parse(String(move['not_before'])) - Date.parse(String(move['created_at']))) / 60_000),
      )
    }
    const drain = async (notice: number): Promise<void> => {
      await fleet.registry.setDraining('a', true, notice * 60)
      await fleet.compute.draining.hasten(await fleet.registry.get('a'), notice * 60)
      await fleet.failover.sweep()
    }
    await drain(60)
    expect(await minutes()).toEqual([60, 60])
    const { id, notBefore } = (await fleet.order('a', 'VM-1'))!.event!
    await drain(600)
    expect(await minutes()).toEqual([60, 60])
    const before = await fleet.placements.revision((await fleet.registry.get('a')).id)
    await drain(10)
    expect(await minutes()).toEqual([20, 10])
    // Guest and owner learn of it, under the event that they know.
    expect(await fleet.placements.revision((await fleet.registry.get('a')).id)).toBeGreaterThan(before)
    expect((await fleet.order('a', 'VM-1'))?.event).toMatchObject({
      id,
      notBefore: expect.not.stringContaining(notBefore) as string,
    })
    fleet.opening = () => new Date('2099-01-01T00:00:00.000Z')
    await drain(0)
    expect(await minutes()).toEqual([20, 10])
    fleet.opening = (at) => at
    await drain(0)
    expect((await fleet.order('a', 'VM-1'))?.wanted).toBe('Running')
    expect((await fleet.order('a', 'VM-2'))?.wanted).toBe('Stopped')
  })

  it('begins in its owner’s window, after the notice', async () => {
    const fleet = await Fleet.of(await open(), 'a')
    fleet.notices.set('VM-1', 600)
    await fleet.run('VM-1', 'a')
    await fleet.join('b')
    const asked: Date[] = []
    fleet.opening = (at) => {
      asked.push(at)
      return new Date('2099-01-01T00:00:00.000Z')
    }
    await fleet.registry.setDraining('a', true)
    for (const _sweep of [1, 2]) await fleet.failover.sweep()
    expect(await fleet.order('a', 'VM-1')).toMatchObject({
      wanted: 'Running',
      event: { notBefore: '2099-01-01T00:00:00.000Z' },
    })
    expect(asked).toHaveLength(1)
    expect(asked[0]!.getTime() - Date.now()).toBeGreaterThan(590_000)
  })

  it('is over when the host is resumed, or the VM stopped by its owner', async () => {
    const fleet = await Fleet.of(await open(), 'a')
    for (const vmId of ['VM-1', 'VM-2']) {
      fleet.notices.set(vmId, 600)
      await fleet.run(vmId, 'a')
    }
    await fleet.join('b')
    await fleet.registry.setDraining('a', true)
    await fleet.failover.sweep()
    await fleet.compute.asHost().stop('VM-2', true)
    await fleet.failover.sweep()
    expect((await fleet.orders('a')).map(({ vmId, event }) => [vmId, event?.status])).toEqual([
      ['VM-1', 'Scheduled'],
      ['VM-2', undefined],
    ])
    await fleet.registry.setDraining('a', false)
    const before = await fleet.placements.revision((await fleet.registry.get('a')).id)
    await fleet.failover.sweep()
    expect(await fleet.order('a', 'VM-1')).not.toHaveProperty('event')
    // The host is told so.
    expect(await fleet.placements.revision((await fleet.registry.get('a')).id)).toBeGreaterThan(before)
  })

  it('waits while another VM of its set is away, on whatever host', async () => {
    const fleet = await Fleet.of(await open(), 'a')
    for (const vmId of ['VM-1', 'VM-2']) await fleet.run(vmId, 'a', { spread: true })
    await fleet.run('VM-3', 'a')
    await fleet.join('b')
    await fleet.registry.setDraining('a', true)
    await fleet.failover.sweep()
    const wanted = async (): Promise<string[]> =>
      (await fleet.orders('a')).map(({ vmId, wanted }) => `${vmId} ${wanted}`)
    expect(await wanted()).toEqual(['VM-1 Stopped', 'VM-2 Running', 'VM-3 Stopped'])
    expect((await fleet.shown('a', 'VM-2'))?.move?.waitsFor).toBe('set')
    await fleet.report('a')
    await fleet.failover.sweep()
    // Placed on the other host, but not running yet.
    expect(await fleet.hostOf('VM-1')).toBe('b')
    await fleet.failover.sweep()
    expect(await wanted()).toEqual(['VM-2 Running'])
    await fleet.report('b')
    await fleet.failover.sweep()
    expect(await wanted()).toEqual(['VM-2 Stopped'])
  })

  it('that had begun ends on another host where its own is lost meanwhile', async () => {
    const fleet = await Fleet.of(await open(), 'a')
    await fleet.run('VM-1', 'a')
    await fleet.join('b')
    await fleet.registry.setDraining('a', true)
    await fleet.failover.sweep()
    expect((await fleet.order('a', 'VM-1'))?.wanted).toBe('Stopped')
    await fleet.expire('a')
    await fleet.failover.sweep()
    expect(await fleet.order('b', 'VM-1')).toMatchObject({ wanted: 'Running', epoch: 2 })
  })
})

describeStores('the VMs of a lost host', (open) => {
  const names = Array.from({ length: 20 }, (_, index) => `VM-${String(index).padStart(2, '0')}`)

  it('are placed again as far as there is room, each at its next epoch, and the others wait', async () => {
    const fleet = await Fleet.of(await open())
    await fleet.join('a', 20)
    for (const vmId of names) await fleet.run(vmId, 'a')
    await fleet.compute.asHost().stop('VM-07', true)
    await fleet.report('a')
    await fleet.join('b', 17)
    await fleet.expire('a')
    await fleet.failover.sweep()
    const running = names.filter((vmId) => vmId !== 'VM-07')
    const carried = (await fleet.orders('b')).map(({ vmId, epoch, wanted }) => `${vmId} ${epoch} ${wanted}`)
    expect(carried).toEqual(running.slice(0, 17).map((vmId) => `${vmId} 2 Running`))
    expect((await fleet.placements.waiting(20)).map(({ vm_id: vmId }) => vmId)).toEqual(running.slice(17))
    await fleet.join('c', 17)
    await fleet.failover.sweep()
    expect((await fleet.orders('c')).map(({ vmId }) => vmId)).toEqual(running.slice(17))
    expect(await fleet.hostOf('VM-07')).toBeUndefined()
    expect(await fleet.orders('a')).toEqual([])
  })

  it('stay where the host’s renewal has arrived and is not written yet', async () => {
    const fleet = await Fleet.of(await open(), 'a', 'b')
    await fleet.run('VM-1', 'a')
    await fleet.expire('a')
    await Promise.all([fleet.renew('a'), fleet.failover.sweep()])
    expect(await fleet.order('a', 'VM-1')).toMatchObject({ epoch: 1 })
  })

  it('stay for one lease after the server’s start, before which no host could call', async () => {
    const fleet = await Fleet.of(await open(), 'a', 'b')
    await fleet.run('VM-1', 'a')
    await fleet.expire('a')
    fleet.failover.start()
    await fleet.failover.sweep()
    await fleet.failover.stop()
    expect(await fleet.order('a', 'VM-1')).toMatchObject({ epoch: 1 })
  })
})
