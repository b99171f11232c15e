import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { volumeDigest, volumeText } from '@strongroom/evidence/expected'
import { createLogger, ServiceError } from '@strongroom/platform'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { openSlot } from '../tpm/boot-updates.ts'
import { admitBoots, readDiskKey, writeDiskKey, type FoundUpdates } from '../tpm/disk-key.ts'
import { manufactureTpm } from '../tpm/manufacture.ts'
import { startSwtpm, stopSwtpm, tpmTool } from '../tpm/swtpm.ts'
import { TpmDirectory } from '../tpm/tpm-directory.ts'
import { exampleSpec } from '../testing.ts'
import { GuestState } from '../vmgs/guest-state.ts'
import { rekeyGuest, retireOlderStates, type RekeyRequest } from './rekey-guest.ts'

/** State of the attestation provider and key service. */
const services = vi.hoisted(() => ({ key: undefined as unknown, counter: 5, refuses: '' }))
vi.mock('../release/silicon.ts', () => ({
  launchOnSilicon: async ({ spec }: { spec: object }) => ({ spec, report: async () => ({}) }),
}))
vi.mock('../release/attest.ts', () => ({
  attest: async () => {
    if (services.refuses === 'attest') throw new ServiceError({ code: 'AttestationRefused', message: 'denied' })
    return { token: 'token' }
  },
}))
vi.mock('../release/release.ts', () => ({
  releaseKey: async () => ({ key: services.key, jws: '', counter: services.counter }),
  reportGeneration: async ({ generation }: { generation: number }) => void (services.counter = generation),
}))

const register = new Uint8Array(32).fill(1)
const old = {
  luksUuid: '01234567-89ab-cdef-0123-456789abcdef',
  volumeKey: new Uint8Array(randomBytes(64)),
  keyDigest: 'ab'.repeat(32),
}
const luksUuid = 'fedcba98-7654-3210-fedc-ba9876543210'
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const [variables, variableRecord] = [Buffer.from('UEFI variables'), Buffer.from('their record')]
const document = 'eyJhIjoxfQ.eyJiIjoyfQ.c2lnbmVk'
const count = '0x01400108'
const macOf = (key: Uint8Array): string =>
  createHmac('sha256', key).update(`strongroom-boot-file:${document}`).digest('hex')

let tpm: Buffer
/** Of a VM that was never given a disk key. */
let bareTpm: Buffer
let directory: string
let request: RekeyRequest
let given: { from: Uint8Array; to: Uint8Array } | undefined
/** As the host saw them, before they were wiped. */
let copies: { from: string; to: string } | undefined

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

beforeAll(async () => {
  const runtimeDir = await mkdtemp(join(tmpdir(), 'rekey-guest-tpm-'))
  const made = await TpmDirectory.make({ path: join(runtimeDir, 'tpm'), user: undefined })
  await manufactureTpm({ directory: made })
  bareTpm = await made.readState()
  const updates = { publisher: 'cd'.repeat(32), image: 'debian-13-confidential' }
  await writeDiskKey({ directory: made, key: old, image: { 4: register, 7: register, 11: register }, updates })
  const guest = await startSwtpm({ directory: made, name: 'guest', startup: 'clear' })
  try {
    // The default boot file was laid down from inside the disk, the other one was not.
    for (const [index, key] of [
      ['0x01400103', old.volumeKey],
      ['0x01400104', new Uint8Array(64)],
    ] as const) {
      const file = await made.give('slot', Buffer.from(`${document} ${macOf(key)}\n`.padEnd(2048, '\0'), 'latin1'))
      await tpmTool(guest, 'tpm2_nvwrite', ['-Q', '-C', index, index, '-i', file])
      await made.drop('slot')
    }
    // As often as boots opened the disk.
    const attributes = 'ppread|ppwrite|policyread|policywrite|no_da|platformcreate'
    await tpmTool(guest, 'tpm2_nvdefine', ['-Q', count, '-C', 'p', '-s', '8', '-a', attributes])
    const seven = await made.give('count', Buffer.from('0000000000000007', 'hex'))
    await tpmTool(guest, 'tpm2_nvwrite', ['-Q', '-C', 'p', count, '-i', seven])
    await made.drop('count')
    await tpmTool(guest, 'tpm2_shutdown', ['-c'])
  } finally {
    await stopSwtpm(guest)
  }
  tpm = await made.readState()
  await rm(runtimeDir, { recursive: true })
})

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rekey-guest-'))
  await mkdir(join(directory, 'runtime'))
  Object.assign(services, { key: pair.privateKey, counter: 5, refuses: '' })
  given = undefined
  request = {
    spec: { ...exampleSpec, guestStateKey: 'key' },
    vCPUs: 2,
    guestStatePath: join(directory, 'state'),
    out: join(directory, 'next'),
    runtimeDir: join(directory, 'runtime'),
    user: undefined,
    firmware: new Uint8Array(),
    step: () => {},
    signal: new AbortController().signal,
    logger: createLogger({ level: 'silent' }),
    now: () => new Date(),
    authority: { caPem: '' },
    encryptAnew: async (keys: { from: Uint8Array; to: Uint8Array }) => {
      given = keys
      copies = { from: hex(keys.from), to: hex(keys.to) }
      return await Promise.resolve(luksUuid)
    },
  } as unknown as RekeyRequest
  await seal(tpm)
})
afterEach(async () => await rm(directory, { recursive: true, force: true }))

const seal = async (state: Uint8Array): Promise<void> =>
  await GuestState.create({
    path: request.guestStatePath,
    vmId: request.spec.vmId,
    wrappingKey: pair.publicKey,
    tpm: state,
    variables,
    variableRecord,
    generation: 5,
  })
const open = async (path: string): Promise<GuestState> =>
  await GuestState.open({
    path,
    vmId: request.spec.vmId,
    releasedKey: pair.privateKey,
    counter: services.counter,
  })

/** The vTPM of a guest state, in a folder of its own. */
async function vtpmOf(path: string): Promise<TpmDirectory> {
  const state = await open(path)
  try {
    return await TpmDirectory.make({ path: join(directory, 'opened'), user: undefined, state: state.tpm() })
  } finally {
    await state.close()
  }
}

describe('a guest state with another volume key', () => {
  it('has the key that the disk is encrypted under now and nothing of the old one (attack H44)', async () => {
    const before = await readFile(request.guestStatePath)
    const { volume } = await rekeyGuest(request)
    expect(copies?.from).toBe(hex(old.volumeKey))
    expect(copies?.to).toMatch(/^[0-9a-f]{128}$/)
    expect(copies?.to).not.toBe(copies?.from)
    const vtpm = await vtpmOf(request.out)
    const text = await volumeText({ luksUuid, volumeKey: Buffer.from(copies!.to, 'hex') })
    expect(await readDiskKey({ directory: vtpm })).toEqual({
      luksUuid,
      volumeKey: Buffer.from(copies!.to, 'hex'),
      keyDigest: text.slice(text.lastIndexOf(':') + 1),
    })
    expect(volume).toBe(hex(await volumeDigest(text)))
    const content = await vtpm.readState()
    expect(content.includes(copies!.to)).toBe(true)
    expect(content.includes(copies!.from)).toBe(false)
    expect(await readFile(request.guestStatePath)).toEqual(before)
  })

  it('keeps variables and their record, is the next generation, and leaves no key in memory or in a file', async () => {
    await rekeyGuest(request)
    const state = await open(request.out)
    expect([state.variables(), state.variableRecord(), state.generation]).toEqual([variables, variableRecord, 6])
    await state.close()
    expect([hex(given!.from), hex(given!.to)]).toEqual(['00'.repeat(64), '00'.repeat(64)])
    expect(await readdir(request.runtimeDir)).toEqual([])
    for (const name of ['state', 'next'])
      expect((await readFile(join(directory, name))).includes(copies!.to)).toBe(false)
  })

  it('counts alone once the older ones are retired: with the same key they are refused as rolled back (attack H44)', async () => {
    await rekeyGuest(request)
    await (await open(request.guestStatePath)).close()
    const next = { ...request, guestStatePath: request.out }
    await retireOlderStates(next)
    await retireOlderStates(next)
    expect(services.counter).toBe(6)
    await expect(open(request.guestStatePath)).rejects.toMatchObject({ code: 'GuestStateRolledBack' })
    await (await open(request.out)).close()
  })

  it('begins to count the disk’s boots, and admits the boot file that was laid down from inside it and no other', async () => {
    await rekeyGuest(request)
    const vtpm = await vtpmOf(request.out)
    let found: FoundUpdates | undefined
    await admitBoots({
      directory: vtpm,
      machine: register,
      judge: async (all) => {
        found = { ...all, key: { ...all.key, volumeKey: Buffer.from(all.key.volumeKey) } }
        return await Promise.resolve({ image: true, updates: [], lowest: 0 })
      },
    })
    // The disk under the new key has no count yet, so the next boot opens it at none.
    const platform = await startSwtpm({ directory: vtpm, name: 'platform', startup: 'clear' })
    try {
      expect((await tpmTool(platform, 'tpm2_nvread', ['-C', 'p', count])).toString('hex')).toBe('0'.repeat(16))
    } finally {
      await stopSwtpm(platform)
    }
    expect(found?.image).toEqual({ 4: register, 7: register, 11: register })
    const opened = found?.slots.map((slot) => openSlot(slot, Buffer.from(copies!.to, 'hex')))
    expect(opened).toEqual([{ jws: document }, 'foreign'])
  })

  it.each([
    ['the evidence is refused', 'AttestationRefused', () => void (services.refuses = 'attest')],
    ['it would be made of an older copy', 'GuestStateRolledBack', () => void (services.counter = 6)],
  ])('is not made where %s', async (_what, code, arrange) => {
    arrange()
    await expect(rekeyGuest(request)).rejects.toMatchObject({ code })
    expect([given, await readdir(directory)]).toEqual([undefined, ['runtime', 'state']])
  })

  it('is not made where the vTPM holds no key for the disk', async () => {
    await seal(bareTpm)
    await expect(rekeyGuest(request)).rejects.toMatchObject({ code: 'DiskKeyMissing' })
    expect(given).toBeUndefined()
  })

  it('is not made where the disk cannot be written, and the old one opens', async () => {
    const full = { ...request, encryptAnew: async () => await Promise.reject(new Error('the disk is full')) }
    await expect(rekeyGuest(full)).rejects.toThrow('the disk is full')
    expect(await readdir(request.runtimeDir)).toEqual([])
    expect((await readDiskKey({ directory: await vtpmOf(request.guestStatePath) }))?.luksUuid).toBe(old.luksUuid)
  })
})
