import type { BootEvidence, VmOrder } from '@strongroom/contract'
import { createLogger, ServiceError, systemClock } from '@strongroom/platform'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Booted, BootRequest } from '../../instances/boot.ts'
import { deferred } from '../../instances/deferred.ts'
import type { GuestEnd } from '../../qemu/vm-process.ts'
import { exampleSpec } from '@strongroom/paravisor/testing'
import { CarriedGuest, type GuestServices } from './carried-guest.ts'
import { PeerRecords } from './peer-records.ts'
import type { VmPeer } from './vm-peer.ts'

const fakes = vi.hoisted(() => ({ boot: vi.fn() }))
vi.mock('../../instances/boot.ts', () => ({ boot: fakes.boot }))

/** What happened to the guest and what the control plane was told, in order. */
let events: string[] = []
/** Set: the control plane does not answer. */
let isAway = false

function powerOn(request: BootRequest): Booted {
  const { promise, resolve } = deferred<GuestEnd>()
  void request.onReady(undefined)
  return {
    guest: {
      ended: promise,
      evidence: { version: 1, bootId: 'boot' } as BootEvidence,
      processes: { qemu: 1, swtpm: 2 },
      powerDown: async () => void events.push('powers off'),
      stop: async () => {
        events.push('is written back')
        resolve({ kind: 'powerOff' })
      },
      discard: async () => void events.push('is cut off'),
    },
    console: { head: () => '', said: () => 0, lastLines: async () => [] },
    acceleration: 'tcg',
    launched: { vCPUs: 2, memoryMiB: 2048, acceleration: 'tcg', cpuModel: 'EPYC-Milan', launchMeasurement: 'aa' },
    notices: [],
    sshPort: 2222,
    opensFor: [],
    shown: () => undefined,
    startsOtherOnce: false,
  } as unknown as Booted
}

const order: VmOrder = { vmId: exampleSpec.vmId, epoch: 3, wanted: 'Running', run: 1, spec: exampleSpec, record: {} }

async function running(first: VmOrder = order): Promise<CarriedGuest> {
  const logger = createLogger({ level: 'silent' })
  const post = async (_path: string, { status }: { status?: { power: { state: string } } }): Promise<object> => {
    if (isAway) throw new ServiceError({ code: 'PeerUnreachable', message: 'away' })
    events.push(`is reported as ${status?.power.state}`)
    return await Promise.resolve({})
  }
  const store = new PeerRecords({ vmId: order.vmId, epoch: order.epoch, post } as unknown as VmPeer, logger)
  const services = { store, disks: { close: () => {} }, clock: systemClock, logger, stateDir: '/nowhere', silicon: {} }
  const guest = new CarriedGuest(services as unknown as GuestServices, first)
  guest.follow(first)
  await expect.poll(() => events.at(-1)).toBe('is reported as Ready')
  events = []
  return guest
}

beforeEach(() => {
  events = []
  isAway = false
  fakes.boot.mockReset().mockImplementation(async (request: BootRequest) => powerOn(request))
})

describe('the record that another host left of a guest', () => {
  it.each<[string, object]>([
    ['a port with QEMU’s options', { sshPort: '2222,hostfwd=tcp::1-:22' }],
    ['a port out of range', { sshPort: 65_536 }],
    ['a key that is a path', { identity: { akSpki: '../../key', ekSpki: '' } }],
    ['a register without a digest', { sealedTo: { '7': 'a,b=c' } }],
    ['a volume of two lines', { volume: `${'a'.repeat(64)}\n` }],
    ['a member that records lack', { surplus: 1 }],
  ])('starts nothing with %s (attack W47)', async (_, record) => {
    const services = { clock: systemClock, logger: createLogger({ level: 'silent' }), stateDir: '/nowhere' }
    const guest = new CarriedGuest(services as unknown as GuestServices, order)
    guest.follow({ ...order, record: record as NonNullable<VmOrder['record']> })
    await expect(guest.setDataDisks([])).rejects.toMatchObject({ code: 'InstanceNotFound' })
    expect(fakes.boot).not.toHaveBeenCalled()
  })

  it('does not choose the next host’s port', async () => {
    const guest = await running({ ...order, record: { sshPort: 4444 } })
    expect(fakes.boot.mock.calls[0]?.[0]).toMatchObject({ record: expect.not.objectContaining({ sshPort: 4444 }) })
    await guest.shutDown()
  })
})

describe('a guest whose host is stopped', () => {
  it('powers off, is written back, and is reported as stopping: it is to start elsewhere', async () => {
    const guest = await running()
    await guest.shutDown()
    expect(events.filter((event) => !event.startsWith('is reported'))).toEqual(['powers off', 'is written back'])
    expect(events.at(-1)).toBe('is reported as Stopping')
    expect(events).not.toContain('is reported as Stopped')
    // Orders that come meanwhile start nothing.
    guest.follow({ ...order, run: 2 })
    await guest.shutDown()
    expect(fakes.boot).toHaveBeenCalledTimes(1)
  })

  it('holds its host up until the control plane has what its next host needs, or the VM is no longer this host’s', async () => {
    const guest = await running()
    isAway = true
    let isOver = false
    const ending = guest.shutDown().then(() => (isOver = true))
    await expect.poll(() => events).toContain('is written back')
    expect([isOver, events]).toEqual([false, ['powers off', 'is written back']])
    isAway = false
    await ending
    expect(events.at(-1)).toBe('is reported as Stopping')

    const lost = await running()
    isAway = true
    const cut = lost.shutDown()
    await expect.poll(() => events).toContain('is written back')
    // Its lease is over.
    await lost.discard()
    await cut
  })
})
