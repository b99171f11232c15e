import type { AttachedDisk, CarriedInstance, InstanceSpec } from '@strongroom/contract'
import { ServiceError, systemClock, type Store } from '@strongroom/platform'
import { describeStores, testSealer } from '@strongroom/platform/testing'
import { expect, it, vi } from 'vitest'
import { migrations } from '../../store/migrations.ts'
import type { CarriedCompute } from '../carried-compute.ts'
import { FleetCompute } from '../fleet-compute.ts'
import type { FleetHost } from '../fleet-host.ts'
import { Placements } from '../placements.ts'
import { PlannedMoves } from '../planned-moves.ts'
import { HostRegistry } from '../registry.ts'
import { Tickets } from '../tickets.ts'
import { WorkSignal } from '../work-signal.ts'
import { CarriedDisks } from './carried-disks.ts'
import { CarriedVms } from './carried-vms.ts'
import { fleetGuests } from './fleet-guests.ts'
import { HostCalls } from './host-calls.ts'
import { SshDoors } from './ssh-doors.ts'

const vmId = 'ABCDEF01-2345-6789-ABCD-EF0123456789'
const passwordHash = `$y$j9T$${'a'.repeat(22)}$${'b'.repeat(43)}`
const spec = {
  vmId,
  resourceId: '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm',
  region: 'westeurope',
  tee: 'SNP',
  size: { name: 'Standard_DC2as_v5', vCPUs: 2, memoryMiB: 8192 },
  image: 'image',
  osDisk: { id: 'd', sizeGiB: 4 },
  osProfile: {
    computerName: 'vm',
    adminUsername: 'me',
    sshPublicKeys: [],
    passwordHash,
    passwordSha256: 'a'.repeat(64),
  },
  security: { encryption: 'DiskWithVMGuestState', secureBoot: true, vTpm: true },
  guestStateKey: 'https://platform.vault.strongroom.internal/keys/vm/1',
  attestationProvider: 'https://sharedweu.weu.attest.strongroom.internal',
} as unknown as InstanceSpec

/** Messages to the vault and the storage, in order. */
async function setUp(store: Store): Promise<{
  calls: HostCalls
  vms: CarriedVms
  placements: Placements
  inner: CarriedCompute
  compute: FleetCompute
  host: FleetHost
  told: string[]
  disks: CarriedDisks
}> {
  await store.migrate('control-plane', migrations)
  const registry = new HostRegistry(store)
  const placements = new Placements(store, registry)
  const signal = new WorkSignal()
  const calls = new HostCalls(signal)
  const told: string[] = []
  const vms = new CarriedVms({ store, sealer: testSealer, clock: systemClock })
  const disks = new CarriedDisks(store)
  const local = { images: async () => [{ id: 'image', source: 'reference' }], find: async () => undefined }
  const inner = fleetGuests({
    local: local as unknown as CarriedCompute,
    vms,
    disks,
    placements,
    tickets: new Tickets(testSealer.macKey('tickets')),
    keys: { place: async (_key, { epoch }) => void told.push(`key ${epoch}`) },
    home: {
      fence: async (_vmId: string, epoch: number) => void told.push(`storage ${epoch}`),
      remove: async () => void told.push('removed'),
    } as never,
    calls,
    ssh: new SshDoors({ calls, placements }),
  })
  const compute = new FleetCompute({
    inner,
    placements,
    registry,
    signal,
    planned: new PlannedMoves(store),
    policyOf: async () => await Promise.resolve({}),
  })
  const { secret } = await registry.add({
    name: 'a',
    region: 'westeurope',
    zone: undefined,
    tees: ['SNP'],
    labels: {},
    vCPUs: 4,
    memoryMiB: 65_536,
  })
  const host = await registry.redeem({ name: 'a', secret, key: 'a'.repeat(64) })
  await registry.renew(host)
  return { calls, vms, placements, inner, compute, host, told, disks }
}

const said = (o: Partial<CarriedInstance> = {}): CarriedInstance => ({
  vmId,
  epoch: 1,
  run: 0,
  status: {
    vmId: 'another',
    spec: { ...spec, size: { ...spec.size, vCPUs: 64 } },
    provisioning: { state: 'Succeeded', steps: [] },
    power: { state: 'Stopped', since: '', steps: [] },
    notices: ['seen'],
    ssh: { host: '10.0.0.1', port: 1 },
  },
  record: { volume: 'v' },
  ...o,
})
const powered = (state: 'Ready' | 'Failed' | 'Stopped', run: number, epoch = 1): CarriedInstance =>
  said({ run, epoch, status: { ...said().status, power: { state, since: '', steps: [] } } })

describeStores('a guest that joined hosts carry', (open) => {
  it('is kept with the hash of its password sealed, and told whole to its host alone', async () => {
    const store = await open()
    const { compute, host } = await setUp(store)
    const status = await compute.asHost().provision(spec)
    expect(JSON.stringify(status)).not.toContain(passwordHash)
    expect(JSON.stringify(await store.db.selectFrom('carried_vm').selectAll().execute())).not.toContain(passwordHash)
    const [order] = (await compute.ordersOf(host)).carry ?? []
    expect(order).toMatchObject({ vmId, epoch: 1, spec: { osProfile: { passwordHash }, placement: { epoch: 1 } } })
    expect(order).not.toHaveProperty('record')
  })

  it('answers a verifier through its host, whatever that says instead of an answer (attack H27)', async () => {
    const { calls, compute, host } = await setUp(await open())
    await compute.asHost().provision(spec)
    await compute.ordersOf(host)
    const nonce = Buffer.alloc(32).toString('base64url')
    const quote = { quoteMessage: 'AAAA', quoteSignature: 'AAAA', pcrs: {}, userspaceLog: 'AAAA' }
    const answered = async (status: number, body: unknown): Promise<unknown> => {
      const asked = compute
        .asHost()
        .freshQuote(vmId, { nonce })
        .catch((error: unknown) => error)
      const [call] = await vi.waitFor(() => {
        const told = calls.untold(host.id)
        expect(told).toHaveLength(1)
        return told
      })
      expect(call).toMatchObject({ vmId, method: 'POST', path: `/instances/${vmId}/fresh-quote`, body: { nonce } })
      calls.take(host.id, { id: call!.id, status, type: 'application/json', body: JSON.stringify(body) })
      return await asked
    }
    expect(await answered(200, quote)).toEqual(quote)
    expect(await answered(200, { ...quote, quoteMessage: 1 })).toMatchObject({ code: 'HostUnreachable' })
    const silent = { error: { code: 'GuestDidNotAnswer', message: 'The guest did not answer within 2 s.' } }
    expect(await answered(409, silent)).toMatchObject({ code: 'GuestDidNotAnswer', status: 409 })
    expect(await answered(404, {})).toMatchObject({ code: 'HostUnreachable' })
  })

  it('has freed its data disks when it is gone, also if the server ends while it is removed', async () => {
    const { compute, inner, disks } = await setUp(await open())
    await compute.asHost().provision(spec)
    await disks.set(vmId, [{ disk: 'data', lun: 0, sizeGiB: 1 } as AttachedDisk])
    const freeAll = vi.spyOn(disks, 'freeAll').mockRejectedValueOnce(new Error('the server ended'))
    await expect(inner.remove(vmId)).rejects.toThrow('the server ended')
    expect(await disks.holderOf('data')).toBe(vmId)
    await inner.remove(vmId)
    expect(await disks.holderOf('data')).toBeUndefined()
    expect(freeAll).toHaveBeenCalledTimes(2)
  })

  it('has its storage closed to earlier placements before the vault is told of the next, and its host after both', async () => {
    const { compute, host, told } = await setUp(await open())
    await compute.asHost().provision(spec)
    expect(told).toEqual(['storage 1', 'key 1'])
    const { revision, carry } = await compute.ordersOf(host)
    expect(carry).toHaveLength(1)
    // A host that has received everything receives nothing again.
    expect(await compute.ordersOf(host, revision)).toEqual({ revision })
  })

  it('is what the resource manager says, whatever its host says of it; how it runs, of the start that was asked for', async () => {
    const { compute, host, placements, inner } = await setUp(await open())
    await compute.asHost().provision(spec)
    const claims = { 'vm-configuration': { vmUniqueId: vmId, 'placement-epoch': 1 } }
    const runtimeClaims = Buffer.from(JSON.stringify(claims)).toString('base64url')
    await compute.take(host, said({ evidence: { bootId: 'b', vmId, runtimeClaims } }))
    const found = (await inner.find(vmId))!
    expect(found).toMatchObject({ vmId, spec: { size: { vCPUs: 2 } }, notices: ['seen'] })
    expect(found).not.toHaveProperty('ssh')
    await compute.asHost().start(vmId)
    // From before the start: its power is ignored.
    await compute.take(host, powered('Ready', 0))
    expect((await inner.find(vmId))?.power.state).toBe('Starting')
    await compute.take(host, powered('Ready', 1))
    expect((await inner.find(vmId))?.power.state).toBe('Ready')
    expect((await compute.ordersOf(host)).carry?.[0]).toMatchObject({ run: 1, record: { volume: 'v' } })
    // One that has powered off is not restarted by the next order.
    await compute.take(host, powered('Stopped', 1))
    expect((await placements.find(vmId))?.wanted).toBe('Stopped')
  })

  it('is nothing that another host, or one at another epoch, says of it', async () => {
    const { compute, host, inner } = await setUp(await open())
    await compute.asHost().provision(spec)
    const over = expect.objectContaining({ code: 'PlacementOver' }) as ServiceError
    await expect(compute.take({ ...host, id: 'other' }, said())).rejects.toEqual(over)
    for (const epoch of [0, 2]) await expect(compute.take(host, said({ epoch }))).rejects.toEqual(over)
    expect((await inner.find(vmId))?.provisioning.state).toBe('Running')
  })
})
