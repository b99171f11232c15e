import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AttachedDisk } from '@strongroom/contract'
import { createLogger, createSealer, openStore, systemClock } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DiskStore } from '../disk-store/disk-store.ts'
import { storedFiles } from '../disks/stored/record.ts'
import type { ScsiDisk } from '../qemu/scsi-disks.ts'
import type { GuestEnd } from '../qemu/vm-process.ts'
import { exampleSpec } from '@strongroom/paravisor/testing'
import type { Booted } from './boot.ts'
import { localDisks } from '../disks/disk-driver.ts'
import { DiskDoors } from '../disks/disk-doors.ts'
import { disksAtBoot } from './data-disks.ts'
import { deferred } from './deferred.ts'
import { InstanceStore } from '../records/instance-store.ts'
import { Host } from './host.ts'
import { newRecord } from '../records/record.ts'
import type { HostServices } from './services.ts'

const fakes = vi.hoisted(() => ({ boot: vi.fn() }))
vi.mock('./boot.ts', () => ({ boot: fakes.boot }))
vi.mock('./provision.ts', () => ({ provision: async () => ({ identity: { akSpki: '', ekSpki: '' }, sealedTo: {} }) }))

const { vmId } = exampleSpec
const otherVm = vmId.replace(/.$/, '9')
const ids = [0, 1, 2].map((index) => `5A1E0000-0000-4000-8000-0000000D15C${index}`)
const attached = (lun: number, which: number, sizeGiB = 1): AttachedDisk => ({
  lun,
  disk: ids[which]!,
  sizeGiB,
  shown: { id: `/disks/${which}`, name: String(which), caching: 'None', storageAccountType: 'Premium_LRS' },
})

let directory: string
let store: InstanceStore
let services: HostServices
let host: Host
let disks: DiskStore
/** Disks plugged into and removed from the running guest. */
let plugged: string[]
let pluggingFails: boolean
let end: (end: GuestEnd) => void

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'data-disks-'))
  const rows = await openStore({
    url: `sqlite:${directory}`,
    service: 'host',
    sealer: createSealer(new Uint8Array(32)),
  })
  store = await InstanceStore.open(rows, createSealer(new Uint8Array(32)))
  services = {
    store,
    disks: localDisks,
    silicon: {},
    installation: { tenantId: '22222222-2222-4222-8222-222222222222' },
    clock: systemClock,
    logger: createLogger({ level: 'silent' }),
    stateDir: directory,
    cacheDir: directory,
    sealer: createSealer(new Uint8Array(32)),
  } as unknown as HostServices
  host = new Host(services)
  disks = new DiskStore(services, host)
  plugged = []
  pluggingFails = false
  fakes.boot.mockImplementation(async (): Promise<Booted> => {
    const { promise, resolve } = deferred<GuestEnd>()
    end = resolve
    const guest = {
      ended: promise,
      processes: { qemu: 1 },
      powerDown: async () => true,
      stop: async () => resolve({ kind: 'powerOff' }),
      plug: async ({ lun, path }: ScsiDisk) => {
        if (pluggingFails) throw new Error('QEMU: no')
        plugged.push(`+${lun} ${path}`)
      },
      unplug: async (lun: number) => void plugged.push(`-${lun}`),
      resize: async (lun: number, bytes: number) => void plugged.push(`=${lun} ${bytes / 2 ** 30}`),
    } as unknown as Booted['guest']
    const launched = { vCPUs: 2, memoryMiB: 2048, acceleration: 'tcg', cpuModel: 'EPYC-Milan' } as const
    const console = { head: () => '', progress: () => 0, lastLines: async () => [] }
    return {
      guest,
      console,
      acceleration: 'tcg',
      launched,
      notices: [],
      sshPort: 2222,
      shown: () => undefined,
      opensFor: undefined,
      startsOtherOnce: false,
    }
  })
  for (const id of ids) {
    await disks.put({ id, name: id, source: { from: 'empty', sizeGiB: 1 } })
    await vi.waitFor(async () => expect((await disks.status(id)).state).toBe('Succeeded'))
  }
})

afterEach(async () => {
  await disks.close()
  await host.close()
  await store.close()
  await rm(directory, { recursive: true, force: true })
})

async function startVm(id = vmId): Promise<void> {
  const instance = await host.put({ ...structuredClone(exampleSpec), vmId: id })
  await instance.start()
  await vi.waitFor(() => expect(host.get(id).status().power.state).toBe('Booting'), 5_000)
}
const file = (which: number): string => storedFiles(directory, ids[which]!).disk
const luns = (): number[] => (host.get(vmId).status().dataDisks ?? []).map(({ lun }) => lun)

describe('data disks of a host', () => {
  it('are plugged and unplugged where the VM runs, what stays is not touched, and the record says what the guest has', async () => {
    await startVm()
    await host.setDataDisks(vmId, [attached(4, 1), attached(0, 0)])
    expect(plugged).toEqual([`+4 ${file(1)}`, `+0 ${file(0)}`])
    await host.setDataDisks(vmId, [attached(0, 0), attached(4, 2)])
    expect(plugged.slice(2)).toEqual(['-4', `+4 ${file(2)}`])
    expect(luns()).toEqual([0, 4])
    expect((await disks.status(ids[1]!)).attachedTo).toBeUndefined()
    expect((await disks.status(ids[2]!)).attachedTo).toBe(vmId)
    await host.setDataDisks(vmId, [])
    expect(plugged.slice(4)).toEqual(['-0', '-4'])
    expect(host.get(vmId).status()).not.toHaveProperty('dataDisks')
  })

  it('grow with their file, in the running guest too, and never shrink', async () => {
    await startVm()
    await host.setDataDisks(vmId, [attached(0, 0, 2)])
    await host.setDataDisks(vmId, [attached(0, 0, 3)])
    expect(plugged).toEqual([`+0 ${file(0)}`, '=0 3'])
    await host.setDataDisks(vmId, [])
    await host.setDataDisks(vmId, [attached(0, 0, 1)])
    expect((await stat(file(0))).size).toBe(3 * 2 ** 30)
  })

  it('are the VM’s after a crash of the server as they were asked for last', async () => {
    await startVm()
    await host.setDataDisks(vmId, [attached(0, 0)])
    // As after kill -9: nothing was stopped.
    const next = new Host(services)
    await next.start()
    expect(next.get(vmId).status().dataDisks).toHaveLength(1)
    expect(next.holderOf(ids[0]!)?.spec.vmId).toBe(vmId)
    await vi.waitFor(() => expect(fakes.boot.mock.lastCall?.[0].record.dataDisks).toEqual([attached(0, 0)]))
    await next.close()
  })

  it('that the guest could not be given are not in the record', async () => {
    await startVm()
    await host.setDataDisks(vmId, [attached(0, 0)])
    pluggingFails = true
    await expect(host.setDataDisks(vmId, [attached(1, 1)])).rejects.toMatchObject({ code: 'DataDiskNotPlugged' })
    expect(luns()).toEqual([])
    pluggingFails = false
    await host.setDataDisks(vmId, [attached(1, 1)])
    expect(luns()).toEqual([1])
  })

  it('are for the next boot where the guest has powered off a moment before', async () => {
    await startVm()
    end({ kind: 'powerOff' })
    await host.setDataDisks(vmId, [attached(0, 0)])
    expect([plugged, luns()]).toEqual([[], [0]])
  })

  it('are one VM’s: another gets none that is attached, nor one that two ask for at once', async () => {
    await startVm()
    await host.put({ ...structuredClone(exampleSpec), vmId: otherVm })
    await host.setDataDisks(vmId, [attached(0, 0)])
    await expect(host.setDataDisks(otherVm, [attached(0, 0)])).rejects.toMatchObject({ code: 'DataDiskInUse' })
    const both = await Promise.allSettled([vmId, otherVm].map((id) => host.setDataDisks(id, [attached(5, 1)])))
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })

  it('are neither deleted nor copied under a guest that runs', async () => {
    await startVm()
    await host.setDataDisks(vmId, [attached(0, 0)])
    await expect(disks.remove(ids[0]!)).rejects.toMatchObject({ code: 'DataDiskInUse' })
    const access = { permission: 'Read', seconds: 60, withGuestState: false } as const
    await expect(disks.grant(ids[0]!, access)).rejects.toMatchObject({ status: 409 })
    const copy = '5A1E0000-0000-4000-8000-0000000D15CF'
    await disks.put({ id: copy, name: 'copy', source: { from: 'disk', id: ids[0]! } })
    await vi.waitFor(async () => expect((await disks.status(copy)).state).toBe('Failed'))
    await host.setDataDisks(vmId, [])
    await disks.remove(ids[0]!)
    await expect(stat(file(0))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('that are lost keep a VM from starting: it is not started without its data', async () => {
    const record = { ...newRecord(exampleSpec, new Date()), dataDisks: [attached(0, 0)] }
    const [place, doors] = [{ runtimeDir: directory, user: undefined }, new DiskDoors()]
    expect(await disksAtBoot(services, record, { place, doors })).toEqual([{ lun: 0, path: file(0), serial: ids[0] }])
    await rm(file(0))
    await expect(disksAtBoot(services, record, { place, doors })).rejects.toMatchObject({ code: 'DataDiskMissing' })
  })
})
