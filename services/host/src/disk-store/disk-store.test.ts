import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { diskBlobHost, fixedVhdFooter, type StoredDiskStatus } from '@strongroom/contract'
import { createLogger, createSealer, openStore } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { InstanceStore } from '../records/instance-store.ts'
import { Host } from '../instances/host.ts'
import type { HostServices } from '../instances/services.ts'
import { createBlobApp } from './blob-app.ts'
import { DiskStore } from './disk-store.ts'

const id = '5A1E0000-0000-4000-8000-0000000D15C0'
const other = '5A1E0000-0000-4000-8000-0000000D15C1'
const mebibyte = 1024 ** 2

let directory: string
let store: InstanceStore
let disks: DiskStore
let now: Date
let app: ReturnType<typeof createBlobApp>

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-kept-'))
  store = await InstanceStore.open(
    await openStore({ url: `sqlite:${directory}`, service: 'host', sealer: createSealer(new Uint8Array(32)) }),
    createSealer(new Uint8Array(32)),
  )
  now = new Date('2026-01-01T00:00:00Z')
  const services = {
    store,
    clock: { now: () => now },
    logger: createLogger({ level: 'silent' }),
    stateDir: directory,
    cacheDir: directory,
    sealer: createSealer(new Uint8Array(32)),
  } as unknown as HostServices
  disks = new DiskStore(services, new Host(services))
  app = createBlobApp({
    grants: disks.grants,
    locate: async (...at) => await disks.locate(...at),
    logger: services.logger,
  })
})

afterEach(async () => {
  await disks.close()
  await app.close()
  await store.close()
  await rm(directory, { recursive: true, force: true })
})

async function settled(which: string): Promise<StoredDiskStatus> {
  for (;;) {
    const status = await disks.status(which)
    if (status.state !== 'Running') return status
    await sleep(10)
  }
}

const call = async (
  method: 'GET' | 'HEAD' | 'PUT',
  address: string,
  o: { headers?: Record<string, string>; body?: Buffer } = {},
): Promise<{ statusCode: number; rawPayload: Buffer; headers: Record<string, unknown>; body: string }> => {
  const url = new URL(address)
  return await app.inject({
    method,
    url: url.pathname + url.search,
    headers: { host: diskBlobHost, 'content-type': 'application/octet-stream', ...o.headers },
    ...(o.body !== undefined && { payload: o.body }),
  })
}

const read = { permission: 'Read', seconds: 60, withGuestState: false } as const

describe('an empty disk', () => {
  beforeEach(async () => {
    await disks.put({ id, name: 'empty', source: { from: 'empty', sizeGiB: 1 } })
    expect(await settled(id)).toMatchObject({ state: 'Succeeded', sizeBytes: 1024 ** 3 })
  })

  it('is downloaded as a fixed VHD by its address, in ranges', async () => {
    const { accessSAS } = await disks.grant(id, read)
    const head = await call('HEAD', accessSAS)
    expect(head.headers).toMatchObject({ 'content-length': String(1024 ** 3 + 512), 'x-ms-blob-type': 'PageBlob' })
    const tail = await call('GET', accessSAS, { headers: { range: 'bytes=-1024' } })
    expect(tail.statusCode).toBe(206)
    expect(tail.rawPayload).toHaveLength(1024)
    expect(tail.rawPayload.toString('latin1', 512, 520)).toBe('conectix')
    const inside = await call('GET', accessSAS, { headers: { 'x-ms-range': 'bytes=0-9' } })
    expect(inside.headers['content-range']).toBe(`bytes 0-9/${1024 ** 3 + 512}`)
    expect((await call('GET', accessSAS, { headers: { range: 'bytes=99999999999-' } })).statusCode).toBe(416)
  })

  it('is given to nobody whose address is changed, old, taken back, or for another disk', async () => {
    await disks.put({ id: other, name: 'other', source: { from: 'empty', sizeGiB: 1 } })
    await settled(other)
    const { accessSAS } = await disks.grant(id, read)
    await disks.grant(other, read)
    const refused = async (address: string): Promise<void> => {
      const answer = await call('HEAD', address)
      expect([answer.statusCode, answer.headers['x-ms-error-code']]).toEqual([403, 'AuthenticationFailed'])
    }
    await refused(accessSAS.replace(id, other))
    await refused(accessSAS.replace('sp=r&', 'sp=rw&'))
    await refused(accessSAS.replace(/se=[^&]+/, 'se=2099-01-01T00%3A00%3A00Z'))
    await refused(accessSAS.replace(/sig=.{4}/, 'sig=AAAA'))
    await refused(accessSAS.replace('disk.vhd', 'guest-state.vmgs'))
    expect((await call('HEAD', accessSAS)).statusCode).toBe(200)
    now = new Date(now.getTime() + 61_000)
    await refused(accessSAS)
    const again = await disks.grant(id, read)
    await disks.grants.revoke(id)
    await refused(again.accessSAS)
    const { accessSAS: last } = await disks.grant(id, read)
    await refused(again.accessSAS)
    expect((await call('HEAD', last)).statusCode).toBe(200)
    expect((await call('PUT', last, { headers: { 'x-ms-blob-type': 'PageBlob' } })).statusCode).toBe(403)
  })

  it('is not given out for writing or with guest state', async () => {
    await expect(disks.grant(id, { ...read, permission: 'Write' })).rejects.toMatchObject({ code: 'DiskNotReady' })
    await expect(disks.grant(id, { ...read, withGuestState: true })).rejects.toMatchObject({ code: 'NoGuestState' })
  })

  it('stays as it is when it is asked for again, and is gone when removed', async () => {
    expect(await disks.put({ id, name: 'empty', source: { from: 'empty', sizeGiB: 1 } })).toMatchObject({
      state: 'Succeeded',
    })
    await expect(disks.put({ id, name: 'empty', source: { from: 'empty', sizeGiB: 2 } })).rejects.toMatchObject({
      code: 'DiskExists',
    })
    const { accessSAS } = await disks.grant(id, read)
    await disks.remove(id)
    await disks.remove(id)
    expect((await call('HEAD', accessSAS)).statusCode).toBe(403)
    await expect(disks.status(id)).rejects.toMatchObject({ code: 'DiskNotFound' })
  })
})

describe('a disk that is uploaded', () => {
  const content = Buffer.alloc(mebibyte, 'u')

  beforeEach(async () => {
    // A protective MBR, at the start of raw disks.
    content.writeUInt16LE(0xaa55, 510)
    const bytes = mebibyte + 512
    await disks.put({ id, name: 'upload', source: { from: 'upload', bytes, withGuestState: false } })
    expect(await settled(id)).toMatchObject({ state: 'Uploading', sizeBytes: bytes })
  })

  it('is what was written, copied elsewhere by its address, and says what it lacks for a confidential VM', async () => {
    const { accessSAS } = await disks.grant(id, { ...read, permission: 'Write' })
    const vhd = Buffer.concat([content, fixedVhdFooter(mebibyte)])
    expect((await call('PUT', accessSAS, { headers: { 'x-ms-blob-type': 'PageBlob' } })).statusCode).toBe(201)
    const write = async (first: number, body: Buffer): Promise<number> => {
      const headers = { range: `bytes=${first}-${first + body.length - 1}`, 'x-ms-page-write': 'update' }
      return (await call('PUT', `${accessSAS}&comp=page`, { headers, body })).statusCode
    }
    expect(await write(0, vhd.subarray(0, mebibyte / 2))).toBe(201)
    expect(await write(mebibyte / 2, vhd.subarray(mebibyte / 2))).toBe(201)
    expect(await write(100, Buffer.alloc(512))).toBe(400)
    expect(await write(mebibyte + 512, Buffer.alloc(512))).toBe(416)
    await disks.finish(id, {})
    const status = await settled(id)
    expect(status).toMatchObject({ state: 'Succeeded', sizeBytes: mebibyte })
    expect(status.image).toBeUndefined()
    expect(status.missing.map(({ code }) => code)).toEqual(['NoPartitionTable'])
    expect((await call('HEAD', accessSAS)).statusCode).toBe(403)

    const { accessSAS: uri } = await disks.grant(id, read)
    await disks.put({ id: other, name: 'copy', source: { from: 'uri', uri } })
    expect(await settled(other)).toMatchObject({ state: 'Succeeded', sizeBytes: mebibyte })
    expect(await readFile(join(directory, 'disks', other, 'kept.json'), 'utf8')).not.toContain('sig=')
    const copy = await call('GET', (await disks.grant(other, read)).accessSAS)
    expect(copy.rawPayload.subarray(0, mebibyte).equals(content)).toBe(true)
  })

  it('fails with the reason where what was written is not a disk', async () => {
    const { accessSAS } = await disks.grant(id, { ...read, permission: 'Write' })
    await call('PUT', `${accessSAS}&comp=page`, {
      headers: { range: 'bytes=0-511', 'x-ms-page-write': 'update' },
      body: Buffer.alloc(512, 1),
    })
    await disks.finish(id, {})
    expect(await settled(id)).toMatchObject({ state: 'Failed', error: { code: 'NotADiskImage' } })
  })
})

describe('an import', () => {
  it('takes no file that is not a disk and nothing from addresses of others', async () => {
    const path = join(directory, 'secret.txt')
    await writeFile(path, 'not a disk')
    await disks.put({ id, name: 'file', source: { from: 'uri', uri: `file://${path}` } })
    expect(await settled(id)).toMatchObject({ state: 'Failed', error: { code: 'NotADiskImage' } })
    const uri = `https://${diskBlobHost}/${id}/disk.vhd?sv=1&sig=AAAA`
    await disks.put({ id: other, name: 'theirs', source: { from: 'uri', uri } })
    expect(await settled(other)).toMatchObject({ state: 'Failed', error: { code: 'AuthenticationFailed' } })
  })
})
