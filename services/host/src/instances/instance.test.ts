import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BootEvidence, InstanceSpec } from '@strongroom/contract'
import { createLogger, createSealer, openStore, ServiceError, systemClock } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { GuestEnd } from '../qemu/vm-process.ts'
import { exampleSpec, exchanged } from '@strongroom/paravisor/testing'
import type { BootRequest, Booted } from './boot.ts'
import { deferred } from './deferred.ts'
import { InstanceStore } from '../records/instance-store.ts'
import { Host } from './host.ts'
import type { HostServices } from './services.ts'

interface FakeGuest {
  request: BootRequest
  end: (end: GuestEnd) => void
  stopped: boolean
  asked: boolean
  /** The error that its stop ends with, once nothing runs. */
  fails?: ServiceError
}

const fakes = vi.hoisted(() => ({ guests: [] as unknown[], boot: vi.fn(), rewrap: vi.fn(), provision: vi.fn() }))
vi.mock('./boot.ts', () => ({ boot: fakes.boot, rewrapGuestState: fakes.rewrap }))
vi.mock('./provision.ts', () => ({ provision: fakes.provision }))

const guests = fakes.guests as FakeGuest[]
const evidence = { version: 1, bootId: 'boot', expected: { pcrs: {} } } as BootEvidence
const { vmId } = exampleSpec

function powerOn(request: BootRequest, startsOtherOnce = false): Booted {
  const { promise, resolve } = deferred<GuestEnd>()
  const guest: FakeGuest = { request, end: resolve, stopped: false, asked: false }
  guests.push(guest)
  return {
    guest: {
      ended: promise,
      evidence,
      processes: { qemu: 1, swtpm: 2 },
      powerDown: async () => {
        guest.asked = true
        return true
      },
      registers: async () => ({ 7: 'another', 11: 'bb' }),
      stop: async () => {
        guest.stopped = true
        resolve({ kind: 'crash', code: null, signal: 'SIGKILL', said: '' })
        if (guest.fails !== undefined) throw guest.fails
      },
    } as unknown as Booted['guest'],
    console: { head: () => '', progress: () => 0, lastLines: async () => [] },
    acceleration: 'tcg',
    launched: { vCPUs: 2, memoryMiB: 2048, acceleration: 'tcg', cpuModel: 'EPYC-Milan', launchMeasurement: 'aa' },
    notices: [],
    sshPort: 2222,
    opensFor: [{ 7: 'aa', 11: 'bb' }],
    shown: () => undefined,
    startsOtherOnce,
  }
}

let directory: string
let store: InstanceStore
let host: Host
let services: HostServices

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'instance-'))
  store = await InstanceStore.open(
    await openStore({ url: `sqlite:${directory}`, service: 'host', sealer: createSealer(new Uint8Array(32)) }),
    createSealer(new Uint8Array(32)),
  )
  services = {
    store,
    silicon: {},
    installation: { tenantId: '22222222-2222-4222-8222-222222222222' },
    clock: systemClock,
    logger: createLogger({ level: 'silent' }),
    stateDir: directory,
    cacheDir: directory,
  } as unknown as HostServices
  host = new Host(services)
  guests.length = 0
  fakes.boot.mockImplementation(async (request: BootRequest) => powerOn(request))
  fakes.provision.mockResolvedValue({ identity: { akSpki: '', ekSpki: '' }, sealedTo: { 7: 'aa', 11: 'bb' } })
})

afterEach(async () => {
  await host.close()
  await store.close()
  await rm(directory, { recursive: true, force: true })
})

const power = (): string => host.get(vmId).status().power.state
/** For what may take long on a busy machine. */
const eventually = (check: () => unknown): Promise<unknown> => vi.waitFor(check, 20_000)
const reaches = (state: string): Promise<unknown> => eventually(() => expect(power()).toBe(state))

async function startReady(): Promise<FakeGuest> {
  const instance = await host.put(structuredClone(exampleSpec))
  await instance.start()
  await reaches('Booting')
  const guest = guests.at(-1)!
  await guest.request.onReady(evidence)
  await reaches('Ready')
  return guest
}

describe('life of a VM', () => {
  it('is ready when its guest’s report verified, and shows where it is reached', async () => {
    await startReady()
    const status = host.get(vmId).status()
    expect(status).toMatchObject({
      ssh: { host: '127.0.0.1', port: 2222 },
      processes: { qemu: 1, swtpm: 2 },
      provisioning: { state: 'Succeeded' },
    })
    expect(await host.get(vmId).evidence()).toEqual(evidence)
  })

  it('is made once, however often the same is asked for', async () => {
    const first = await host.put(structuredClone(exampleSpec))
    expect(await host.put(structuredClone(exampleSpec))).toBe(first)
    await Promise.all([first.start(), first.start(), first.start()])
    await reaches('Booting')
    expect(guests).toHaveLength(1)
    await expect(host.put({ ...exampleSpec, image: 'another' })).rejects.toMatchObject({ code: 'InstanceExists' })
  })

  it('asks the guest to power off, and pulls the plug when told to', async () => {
    const guest = await startReady()
    await host.get(vmId).stop(true)
    await reaches('Stopped')
    expect(guest).toMatchObject({ asked: true, stopped: true })
    const again = await startReady()
    await host.get(vmId).stop(false)
    await reaches('Stopped')
    expect(again).toMatchObject({ asked: false, stopped: true })
  })

  it('is stopped when the guest powers itself off, and goes through a whole boot when it reboots', async () => {
    const guest = await startReady()
    guest.end({ kind: 'reboot' })
    await eventually(() => expect(guests).toHaveLength(2))
    await guests[1]!.request.onReady(evidence)
    await reaches('Ready')
    guests[1]!.end({ kind: 'powerOff' })
    await reaches('Stopped')
    expect(guests[1]!.stopped).toBe(true)
  })

  it.each([
    ['powers itself off', { kind: 'powerOff' }],
    ['reboots', { kind: 'reboot' }],
    ['ends', { kind: 'crash', code: null, signal: 'SIGKILL', said: '' }],
  ] as [string, GuestEnd][])('starts its default where the new boot file %s', async (_how, end) => {
    const instance = await host.put(structuredClone(exampleSpec))
    fakes.boot.mockImplementationOnce(async (request: BootRequest) => powerOn(request, true))
    await instance.start()
    await reaches('Booting')
    guests[0]!.end(end)
    await eventually(() => expect(guests).toHaveLength(2))
    await guests[1]!.request.onReady(evidence)
    await reaches('Ready')
    expect(guests[0]!.stopped).toBe(true)
    expect(instance.status().notices.join()).toContain('The new boot file did not come up (')
    guests[1]!.end({ kind: 'reboot' })
    await eventually(() => expect(guests).toHaveLength(3))
    await guests[2]!.request.onReady(evidence)
    await reaches('Ready')
    expect(instance.status().notices).toEqual([])
  })

  it('fails where its default powers itself off too: it is not tried again', async () => {
    const instance = await host.put(structuredClone(exampleSpec))
    fakes.boot.mockImplementationOnce(async (request: BootRequest) => powerOn(request, true))
    await instance.start()
    await reaches('Booting')
    guests[0]!.end({ kind: 'powerOff' })
    await eventually(() => expect(guests).toHaveLength(2))
    await reaches('Booting')
    guests[1]!.end({ kind: 'powerOff' })
    await reaches('Failed')
    expect(instance.status().power.error?.code).toBe('OsDiskDidNotUnlock')
    expect(guests).toHaveLength(2)
  })

  it('fails when its vTPM or its QEMU ends, before its report or after, and says which (attack V11)', async () => {
    const how = { code: null, signal: 'SIGKILL' }
    const ends = { VtpmEnded: { kind: 'vtpmEnded', ...how }, GuestEnded: { kind: 'crash', said: '', ...how } } as const
    for (const [code, end] of Object.entries(ends)) {
      const guest = await startReady()
      guest.end(end)
      await reaches('Failed')
      expect(host.get(vmId).status().power.error).toMatchObject({ code, message: expect.stringContaining('while') })
      expect(guest.stopped).toBe(true)
    }
    await host.get(vmId).start()
    await reaches('Booting')
    guests.at(-1)!.end(ends.VtpmEnded)
    await reaches('Failed')
    expect(host.get(vmId).status().power.error).toMatchObject({
      code: 'VtpmEnded',
      message: 'The software TPM exited before the guest was ready. It is not replaced.',
    })
  })

  it('is off and failed when its state could not be left where it belongs, however it is stopped (attack H10)', async () => {
    const ways: ((guest: FakeGuest) => unknown)[] = [
      async () => await host.get(vmId).stop(true),
      async () => await host.get(vmId).restart(),
      (guest) => guest.end({ kind: 'powerOff' }),
    ]
    for (const way of ways) {
      const guest = await startReady()
      guest.fails = exchanged('/s/machines/VM/guest-state.vmgs', 'another file')
      await way(guest)
      await reaches('Failed')
      const { power: found, processes } = host.get(vmId).status()
      expect(found.error).toMatchObject({ code: 'GuestStateExchanged', message: expect.stringContaining('.kept') })
      expect(processes).toBeUndefined()
    }
    const guest = await startReady()
    guest.fails = exchanged('/s/machines/VM/guest-state.vmgs', 'another file')
    await host.remove(vmId)
    expect(await store.list()).toEqual([])
  })

  it('names the register that kept its disk closed', async () => {
    const instance = await host.put(structuredClone(exampleSpec))
    await instance.start()
    await reaches('Booting')
    guests[0]!.end({ kind: 'powerOff' })
    await reaches('Failed')
    expect(instance.status().power.error).toMatchObject({ code: 'OsDiskDidNotUnlock', target: 'PCR 7' })
    expect(guests[0]!.stopped).toBe(true)
  })

  it('fails when the guest’s report is a lie', async () => {
    const instance = await host.put(structuredClone(exampleSpec))
    await instance.start()
    await reaches('Booting')
    guests[0]!.request.onRefused(new ServiceError({ code: 'BootReportRefused', message: 'a lie' }))
    await reaches('Failed')
    expect(instance.status().power.error?.code).toBe('BootReportRefused')
    expect(guests[0]!.stopped).toBe(true)
  })

  it('says which link of the chain failed and does not start', async () => {
    fakes.boot.mockRejectedValue(new ServiceError({ code: 'AttestationRefused', message: 'denied' }))
    const instance = await host.put(structuredClone(exampleSpec))
    await instance.start()
    await reaches('Failed')
    expect(instance.status().power.error?.code).toBe('AttestationRefused')
    expect(instance.status().processes).toBeUndefined()
  })

  it('gives up a boot that is under way when it is stopped', async () => {
    fakes.boot.mockImplementation(async ({ signal }: BootRequest) => {
      await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    })
    const instance = await host.put(structuredClone(exampleSpec))
    await instance.start()
    await eventually(() => expect(fakes.boot).toHaveBeenCalled())
    await instance.stop(true)
    await reaches('Stopped')
  })

  it('cannot be changed while it runs', async () => {
    await startReady()
    const instance = host.get(vmId)
    await expect(instance.patch({ tags: { a: 'b' } })).rejects.toMatchObject({ code: 'InstanceNotStopped' })
    await instance.stop(false)
    await reaches('Stopped')
    await instance.patch({ tags: { a: 'b' } })
    expect(instance.spec.tags).toEqual({ a: 'b' })
  })

  it('leaves nothing behind when it is deleted', async () => {
    const guest = await startReady()
    await host.remove(vmId)
    expect(guest.stopped).toBe(true)
    expect(await store.list()).toEqual([])
    expect(() => host.get(vmId)).toThrow(/no such VM/)
    await host.remove(vmId)
  })

  it('says why it could not be provisioned, and is provisioned again on request', async () => {
    fakes.provision.mockRejectedValueOnce(
      new ServiceError({ code: 'ImageNotFound', status: 404, message: 'no image', remedy: 'build it' }),
    )
    const instance = await host.put(structuredClone(exampleSpec))
    await eventually(() => expect(instance.status().provisioning.state).toBe('Failed'))
    await expect(instance.start()).rejects.toMatchObject({ code: 'InstanceNotProvisioned', remedy: 'build it' })
    await host.put(structuredClone(exampleSpec))
    await eventually(() => expect(instance.status().provisioning.state).toBe('Succeeded'))
  })
})

describe('a VM under a customer’s key', () => {
  const set = '/subscriptions/s/resourceGroups/group/providers/Microsoft.Compute/diskEncryptionSets/set'
  const keyId = (version: string): string => `https://box.vault.strongroom.internal/keys/disk/${version.repeat(32)}`
  const customerKey = { diskEncryptionSet: set, identity: set, keyIds: [keyId('1')] }
  const next = { ...customerKey, keyIds: [keyId('2'), keyId('1')] }

  async function made(): Promise<Awaited<ReturnType<Host['put']>>> {
    fakes.provision.mockResolvedValue({ identity: { akSpki: '', ekSpki: '' }, wrappedBy: keyId('1') })
    const instance = await host.put({ ...structuredClone(exampleSpec), customerKey })
    await eventually(() => expect(instance.status().provisioning.state).toBe('Succeeded'))
    return instance
  }

  it('goes under the next key while it is stopped, and shows under which it is', async () => {
    const instance = await made()
    expect(instance.status().guestStateWrappedBy).toBe(keyId('1'))
    fakes.rewrap.mockImplementationOnce(
      async ({ record }: BootRequest) => (record.spec as InstanceSpec).customerKey?.keyIds[0],
    )
    await instance.rewrap(next)
    expect(instance.status()).toMatchObject({ guestStateWrappedBy: keyId('2'), spec: { customerKey: next } })
  })

  it('opens with either key after a change that failed', async () => {
    const instance = await made()
    fakes.rewrap.mockRejectedValueOnce(new ServiceError({ code: 'KeyReleaseRefused', message: 'no' }))
    await expect(instance.rewrap(next)).rejects.toMatchObject({ code: 'KeyReleaseRefused' })
    expect(instance.status()).toMatchObject({ guestStateWrappedBy: keyId('1'), spec: { customerKey: next } })
    await instance.start()
    await reaches('Booting')
  })

  it('is not touched while it runs, nor made of a VM without one', async () => {
    const instance = await made()
    await instance.start()
    await reaches('Booting')
    await expect(instance.rewrap(next)).rejects.toMatchObject({ code: 'InstanceNotStopped' })
    expect((instance.spec as InstanceSpec).customerKey).toEqual(customerKey)
    const plain = { ...structuredClone(exampleSpec), vmId: '5A1E0000-0000-4000-8000-0000000007E6' }
    const other = await host.put(plain)
    await eventually(() => expect(other.status().provisioning.state).toBe('Succeeded'))
    await expect(other.rewrap(next)).rejects.toMatchObject({ code: 'InstanceWithoutCustomerKey' })
  })
})

describe('a server that was killed', () => {
  /** A second host over the same store, as after kill -9: without the first one's memory. */
  async function restarted(): Promise<Host> {
    const next = new Host(services)
    await next.start()
    return next
  }

  it('boots again what was wanted running', async () => {
    await startReady()
    host = await restarted()
    await reaches('Booting')
    expect(guests).toHaveLength(2)
  })

  it('leaves stopped what was stopped', async () => {
    await startReady()
    await host.get(vmId).stop(false)
    await reaches('Stopped')
    host = await restarted()
    expect(power()).toBe('Stopped')
    expect(guests).toHaveLength(1)
  })

  it('provisions again what was half made, then starts it', async () => {
    fakes.provision.mockImplementationOnce(() => new Promise(() => {}))
    const instance = await host.put(structuredClone(exampleSpec))
    await instance.start()
    host = await restarted()
    await reaches('Booting')
    expect(host.get(vmId).status().provisioning.state).toBe('Succeeded')
  })

  it('finishes a deletion', async () => {
    await host.put(structuredClone(exampleSpec))
    const [record] = await store.list()
    await store.save({ ...record!, desired: 'deleted' })
    host = await restarted()
    await eventually(async () => expect(await store.list()).toEqual([]))
  })
})
