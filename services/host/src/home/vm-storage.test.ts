import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, joinStreams, run } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { storedFiles, writeStored } from '../disks/stored/record.ts'
import { capacity } from '@strongroom/paravisor/guest-state'
import type { VmDisk } from './storage/storage-backend.ts'
import { VmStorage } from './vm-storage.ts'

const vmId = 'ABCDEF01-2345-6789-ABCD-EF0123456789'
let stateDir: string
let storage: VmStorage
const servers: Server[] = []
beforeEach(async () => {
  stateDir = await mkdtemp(join(tmpdir(), 'strongroom-storage-'))
  storage = new VmStorage({ stateDir, logger: createLogger({ level: 'silent' }) })
})
afterEach(async () => {
  for (const server of servers.splice(0)) server.close()
  await storage.close()
  await rm(stateDir, { recursive: true, force: true })
})

const osDisk = async (): Promise<VmDisk> => await Promise.resolve({ sizeGiB: 1 })
const dataDisk = (id: string) => async (): Promise<VmDisk> => await Promise.resolve({ id, sizeGiB: 1 })

/** A socket to a disk at this epoch, as a host has one. */
async function door(epoch: number, which: () => Promise<VmDisk | undefined> = osDisk, vm = vmId): Promise<string> {
  const path = join(stateDir, `door-${epoch}-${servers.length}`)
  const server = createServer((socket) => {
    storage.openDisk({ vmId: vm, epoch, which }).then(
      (disk) => joinStreams(socket, disk),
      () => socket.destroy(),
    )
  })
  servers.push(server)
  await new Promise<void>((done) => server.listen(path, done))
  return path
}

async function io(path: string, ...commands: string[]): Promise<string> {
  return await ioOf('os', path, ...commands)
}
async function ioOf(name: 'os' | 'data', path: string, ...commands: string[]): Promise<string> {
  const image = `driver=nbd,server.type=unix,server.path=${path},export=${name}`
  const args = ['--image-opts', image, ...commands.flatMap((command) => ['-c', command])]
  return (await run({ command: 'qemu-io', args, timeoutMs: 30_000 })).stdout.toString('utf8')
}

/** The disk's beginning; empty if there is no disk yet. */
async function start(disk: string, length: number): Promise<Buffer> {
  const file = await open(disk).catch(() => undefined)
  if (file === undefined) return Buffer.alloc(0)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** Processes that serve disks of this storage. */
async function daemons(): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(
    pids.map(async (pid) => await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  )
  return lines.filter((line) => line.split('\0', 1)[0]!.includes('qemu-storage') && line.includes(stateDir)).length
}

const state = (byte: number): Buffer => Buffer.alloc(capacity, byte)
const over = expect.objectContaining({ code: 'PlacementOver' })

describe('the storage of a fleet', () => {
  it('gives a VM’s disk and guest state to its next placement as they were left', async () => {
    expect(await storage.readState({ vmId, epoch: 1 })).toBeUndefined()
    await io(await door(1), 'write -P 0x41 4096 4096', 'flush')
    await storage.writeState({ vmId, epoch: 1, bytes: state(1) })
    expect(await io(await door(2), 'read -P 0x41 4096 4096')).not.toContain('Pattern verification failed')
    expect(state(1).equals((await storage.readState({ vmId, epoch: 2 }))!)).toBe(true)
  })

  it('has closed the disk to an earlier placement before the next one is served, and to whatever it still asks (attack W38)', async () => {
    const old = await storage.openDisk({ vmId, epoch: 1, which: osDisk })
    const closed = new Promise((done) => old.once('close', done))
    old.on('error', () => {})
    old.resume()
    await storage.fence(vmId, 2)
    await closed
    await expect(storage.openDisk({ vmId, epoch: 1, which: osDisk })).rejects.toEqual(over)
    await expect(storage.writeState({ vmId, epoch: 1, bytes: state(9) })).rejects.toEqual(over)
    await expect(storage.readState({ vmId, epoch: 1 })).rejects.toEqual(over)
    await expect(io(await door(1), 'write 0 512')).rejects.toThrow()
    const disk = await start(join(stateDir, 'fleet', vmId, 'os-disk.raw'), 4096)
    expect([disk.length, disk.every((byte) => byte === 0)]).toEqual([4096, true])
  })

  it('ends a writer in the midst of its writes when the VM is placed again: nothing of it comes after (attack W38)', async () => {
    const first = await door(1)
    const writes = Array.from({ length: 400 }, (_, at) => `write -P 0x11 ${at * 65_536} 65536`)
    const writer = io(first, ...writes).then(
      () => 'all written',
      () => 'ended',
    )
    const disk = join(stateDir, 'fleet', vmId, 'os-disk.raw')
    await expect.poll(async () => (await start(disk, 1))[0]).toBe(0x11)
    await storage.fence(vmId, 2)
    await io(await door(2), 'write -P 0x22 0 26214400', 'flush')
    await writer
    const after = await start(disk, 26_214_400)
    expect(after.equals(Buffer.alloc(26_214_400, 0x22))).toBe(true)
  })

  it('keeps no process for a disk that nobody has open', async () => {
    const open = async (): ReturnType<VmStorage['openDisk']> =>
      await storage.openDisk({ vmId, epoch: 1, which: osDisk })
    const [one, other] = [await open(), await open()]
    one.destroy()
    await expect.poll(() => one.closed).toBe(true)
    expect(await daemons()).toBe(1)
    other.destroy()
    await expect.poll(daemons).toBe(0)
    await io(await door(1), 'write 0 512')
  })

  it('serves a disk where the path of a socket beside it would be too long for an address', async () => {
    const long = join(stateDir, 'x'.repeat(90 - stateDir.length))
    await mkdir(long)
    const other = new VmStorage({ stateDir: long, logger: createLogger({ level: 'silent' }) })
    try {
      const disk = await other.openDisk({ vmId, epoch: 1234567, which: osDisk })
      const greeting = await new Promise<Buffer>((done) => disk.once('data', done))
      expect(greeting.subarray(0, 8).toString()).toBe('NBDMAGIC')
      disk.destroy()
    } finally {
      await other.close()
    }
  })

  it('serves nothing for a VM whose disk is in a pool that it is not configured for', async () => {
    await mkdir(join(stateDir, 'fleet', vmId), { recursive: true })
    await writeFile(join(stateDir, 'fleet', vmId, 'ceph.json'), JSON.stringify({ fsid: '1', pool: 'vms' }))
    const elsewhere = expect.objectContaining({ code: 'FleetStorageOther' })
    const at = { vmId, epoch: 1, which: osDisk }
    await expect(storage.openDisk(at)).rejects.toEqual(elsewhere)
    await expect(storage.disk({ ...at, opened: false })).rejects.toEqual(elsewhere)
    await expect(storage.readState(at)).rejects.toEqual(elsewhere)
    await expect(storage.writeState({ ...at, bytes: state(1) })).rejects.toEqual(elsewhere)
    await expect(storage.fence(vmId, 1)).rejects.toEqual(elsewhere)
    await expect(storage.remove(vmId)).rejects.toEqual(elsewhere)
    expect(await readdir(join(stateDir, 'fleet', vmId))).toEqual(['ceph.json'])
  })

  it('names no other place for a disk among its own files', async () => {
    expect(await storage.disk({ vmId, epoch: 1, which: osDisk, opened: false })).toEqual({})
  })

  it('takes nothing for a guest state but one, for a VM but its name, nor an epoch that is none', async () => {
    await expect(storage.writeState({ vmId, epoch: 1, bytes: new Uint8Array(10) })).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidRequestContent' }),
    )
    await expect(storage.openDisk({ vmId: '../../etc', epoch: 1, which: osDisk })).rejects.toThrow('not a VM id')
    await expect(storage.openDisk({ vmId, epoch: Number.NaN, which: osDisk })).rejects.toEqual(over)
  })
})

describe('data disks in the storage of a fleet', () => {
  const other = vmId.replace(/.$/, 'A')
  const ids = [0, 1].map((index) => `5A1E0000-0000-4000-8000-0000000D15C${index}`)
  const [first = '', second = ''] = ids
  const file = (id: string): string => storedFiles(stateDir, id).disk

  /** As `az disk create` makes them. */
  beforeEach(async () => {
    for (const id of ids) {
      const status = { id, state: 'Succeeded' as const, steps: [], sizeBytes: 2 ** 20, missing: [] }
      await writeStored(stateDir, { spec: { id, name: id, source: { from: 'empty', sizeGiB: 1 } }, status })
      await writeFile(file(id), '')
    }
  })

  it('are a VM’s next placement’s as they were left, each by itself, in their full length', async () => {
    await ioOf('data', await door(1, dataDisk(first)), 'write -P 0x41 1073737728 4096', 'flush')
    await ioOf('data', await door(1, dataDisk(second)), 'write -P 0x42 0 4096', 'flush')
    expect(
      await ioOf('data', await door(2, dataDisk(first)), 'read -P 0x41 1073737728 4096', 'read -P 0 0 4096'),
    ).not.toContain('failed')
    expect(await ioOf('data', await door(2, dataDisk(second)), 'read -P 0x42 0 4096')).not.toContain('failed')
    // An OS disk is not passed off as one of them, nor one of them as it.
    await expect(ioOf('os', await door(2, dataDisk(first)), 'read 0 512')).rejects.toThrow()
    await expect(ioOf('data', await door(2), 'read 0 512')).rejects.toThrow()
  })

  it('are all closed to an earlier placement before the next one is served any (attack W43)', async () => {
    const all = [osDisk, ...ids.map(dataDisk)]
    for (const which of all) {
      const held = await storage.openDisk({ vmId, epoch: 1, which })
      held.on('error', () => {})
      held.resume()
    }
    expect(await daemons()).toBe(all.length)
    await storage.fence(vmId, 2)
    expect(await daemons()).toBe(0)
    // Whichever it opens first.
    await ioOf('data', await door(2, dataDisk(second)), 'read 0 512')
    for (const which of all) {
      await expect(storage.openDisk({ vmId, epoch: 1, which })).rejects.toEqual(over)
      await expect(storage.disk({ vmId, epoch: 1, which, opened: false })).rejects.toEqual(over)
    }
  })

  it('have no write of an earlier placement, which was in the midst of them, after the first of the next (attack W43)', async () => {
    const writes = Array.from({ length: 400 }, (_, at) => `write -P 0x11 ${at * 65_536} 65536`)
    const writer = ioOf('data', await door(1, dataDisk(first)), ...writes).then(
      () => 'all written',
      () => 'ended',
    )
    await expect.poll(async () => (await start(file(first), 1))[0]).toBe(0x11)
    await ioOf('data', await door(2, dataDisk(first)), 'write -P 0x22 0 26214400', 'flush')
    await writer
    expect((await start(file(first), 26_214_400)).equals(Buffer.alloc(26_214_400, 0x22))).toBe(true)
  })

  it('go from one VM to another once nothing of the first can be written, and never have two (attack W43)', async () => {
    let has: string | undefined = vmId
    const which = (vm: string) => async (): Promise<VmDisk | undefined> =>
      has === vm ? await dataDisk(first)() : undefined
    const notIts = expect.objectContaining({ code: 'DiskNotFound' })
    const held = await storage.openDisk({ vmId, epoch: 7, which: which(vmId) })
    held.on('error', () => {})
    held.resume()
    // Even if the control plane said that it were both VMs’.
    const both = storage.openDisk({ vmId: other, epoch: 1, which: dataDisk(first) })
    await expect(both).rejects.toThrow(expect.objectContaining({ code: 'DataDiskInUse' }))
    has = undefined
    // Its host asks for it at the very moment at which it is detached.
    const released = storage.releaseDisk(vmId, first)
    const again = storage.openDisk({ vmId, epoch: 7, which: which(vmId) })
    await expect(again).rejects.toEqual(notIts)
    await released
    expect(await daemons()).toBe(0)
    has = other
    await ioOf('data', await door(1, which(other), other), 'write -P 0x33 0 512', 'flush')
    await expect(storage.openDisk({ vmId, epoch: 7, which: which(vmId) })).rejects.toEqual(notIts)
    expect((await start(file(first), 1))[0]).toBe(0x33)
  })

  it('are never made again where they are lost, nor served before they are ready', async () => {
    await rm(file(first))
    const missing = expect.objectContaining({ code: 'DataDiskMissing' })
    await expect(storage.prepareDisk(vmId, { disk: first, sizeGiB: 1 })).rejects.toEqual(missing)
    await expect(storage.disk({ vmId, epoch: 1, which: dataDisk(first), opened: false })).rejects.toEqual(missing)
    await expect(storage.openDisk({ vmId, epoch: 1, which: dataDisk(first) })).rejects.toEqual(missing)
    const status = { id: second, state: 'Uploading' as const, steps: [], sizeBytes: 2 ** 20, missing: [] }
    await writeStored(stateDir, { spec: { id: second, name: second, source: { from: 'empty', sizeGiB: 1 } }, status })
    await expect(storage.prepareDisk(vmId, { disk: second, sizeGiB: 1 })).rejects.toThrow(
      expect.objectContaining({ code: 'DataDiskNotReady' }),
    )
  })

  it('that are in a pool are not looked for among the server’s files', async () => {
    await writeFile(storedFiles(stateDir, first).pool, JSON.stringify({ fsid: '1', pool: 'vms' }))
    const elsewhere = expect.objectContaining({ code: 'FleetStorageOther' })
    await expect(storage.prepareDisk(vmId, { disk: first, sizeGiB: 1 })).rejects.toEqual(elsewhere)
    await expect(storage.openDisk({ vmId, epoch: 1, which: dataDisk(first) })).rejects.toEqual(elsewhere)
    await expect(storage.removePooled(first)).rejects.toEqual(elsewhere)
    expect(await storage.isPooled(second)).toBe(false)
    await storage.removePooled(second)
  })
})
