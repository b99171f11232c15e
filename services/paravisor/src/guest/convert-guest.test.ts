import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { InstanceSpec, Tee } from '@strongroom/contract'
import { createLogger, ServiceError } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { exampleSpec } from '../testing.ts'
import { GuestState } from '../vmgs/guest-state.ts'
import { convertGuest, type ConversionSide, type ConvertRequest } from './convert-guest.ts'

/** State of the attestation provider and key service: attested VMs, and each key's counter. */
const services = vi.hoisted(() => ({
  keys: new Map<string, { key: unknown; tee: string }>(),
  counters: new Map<string, number>(),
  refuses: '' as string,
}))
vi.mock('../release/silicon.ts', () => ({
  launchOnSilicon: async ({ spec }: { spec: InstanceSpec }) => ({
    tee: spec.tee,
    report: async () => ({ tee: spec.tee }),
  }),
}))
vi.mock('../release/attest.ts', () => ({
  attest: async ({ report }: { report: { tee: Tee } }) => {
    if (services.refuses === `attest ${report.tee}`)
      throw new ServiceError({ code: 'AttestationRefused', message: 'denied' })
    return { token: report.tee }
  },
}))
vi.mock('../release/release.ts', () => ({
  releaseKey: async ({ keyId, target }: { keyId: string; target: string }) => {
    const held = services.keys.get(keyId)
    if (held?.tee !== target) throw new ServiceError({ code: 'KeyReleaseRefused', message: 'not for you' })
    return { key: held.key, jws: '', counter: services.counters.get(keyId) ?? 0 }
  },
  reportGeneration: async ({ keyId, generation }: { keyId: string; generation: number }) =>
    void services.counters.set(keyId, generation),
}))
vi.mock('../expected/boot-files.ts', () => ({
  expectedPcrs: async () => ({ atUnlock: { 7: new Uint8Array(32).fill(7), 11: new Uint8Array(32).fill(11) } }),
}))

const [tpm, variables] = [Buffer.from('vTPM with a sealed secret'), Buffer.from('UEFI variables')]
const sealedTo = { 7: '07'.repeat(32), 11: '0b'.repeat(32) }
const pair = {
  SNP: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  TDX: generateKeyPairSync('rsa', { modulusLength: 2048 }),
}

let directory: string
let from: ConversionSide
let to: ConversionSide
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'convert-guest-'))
  from = { spec: { ...exampleSpec, guestStateKey: 'snp' }, vCPUs: 2, guestStatePath: join(directory, 'state') }
  to = { spec: { ...from.spec, tee: 'TDX', guestStateKey: 'tdx' }, vCPUs: 2, guestStatePath: join(directory, 'next') }
  services.keys.clear()
  services.keys.set('snp', { key: pair.SNP.privateKey, tee: 'SNP' })
  services.keys.set('tdx', { key: pair.TDX.privateKey, tee: 'TDX' })
  services.counters.clear()
  services.counters.set('snp', 5)
  services.refuses = ''
  const wrappingKey = pair.SNP.publicKey
  await GuestState.create({
    path: from.guestStatePath,
    vmId: from.spec.vmId,
    wrappingKey,
    tpm,
    variables,
    generation: 5,
  })
})
afterEach(async () => await rm(directory, { recursive: true, force: true }))

const convert = (o: Partial<ConvertRequest> = {}): ReturnType<typeof convertGuest> =>
  convertGuest({
    from,
    to,
    wrappingKey: pair.TDX.publicKey,
    firmware: new Uint8Array(),
    sealedTo,
    step: () => {},
    signal: new AbortController().signal,
    logger: createLogger({ level: 'silent' }),
    now: () => new Date(),
    authority: { caPem: '' },
    ...o,
  } as ConvertRequest)

const open = (side: ConversionSide, key: KeyObject): Promise<GuestState> => {
  const counter = services.counters.get(side.spec.guestStateKey ?? '') ?? 0
  return GuestState.open({ path: side.guestStatePath, vmId: side.spec.vmId, releasedKey: key, counter })
}

describe('a guest state for the other technology', () => {
  it('holds the same vTPM and variables under the other key, as the next generation; the old is left as it is', async () => {
    const before = await readFile(from.guestStatePath)
    await convert()
    const made = await open(to, pair.TDX.privateKey)
    expect([made.tpm(), made.variables(), made.generation]).toEqual([tpm, variables, 6])
    await made.close()
    await expect(open(to, pair.SNP.privateKey)).rejects.toMatchObject({ code: 'GuestStateOfAnotherVm' })
    expect(await readFile(from.guestStatePath)).toEqual(before)
    expect(services.counters.get('tdx')).toBe(6)
  })

  it('makes the old one worthless once it counts: with the old key it is refused as rolled back', async () => {
    const { retireOld } = await convert()
    await (await open(from, pair.SNP.privateKey)).close()
    await retireOld()
    await expect(open(from, pair.SNP.privateKey)).rejects.toMatchObject({ code: 'GuestStateRolledBack' })
  })

  it.each([
    ['evidence of the old silicon', 'attest SNP', 'AttestationRefused'],
    ['evidence of the new silicon', 'attest TDX', 'AttestationRefused'],
  ])('is not made where the %s is refused', async (_what, refuses, code) => {
    services.refuses = refuses
    await expect(convert()).rejects.toMatchObject({ code })
    await (await open(from, pair.SNP.privateKey)).close()
    expect(services.counters.get('snp')).toBe(5)
  })

  it('is not relied on where its key is not released to the new silicon', async () => {
    services.keys.set('tdx', { key: pair.TDX.privateKey, tee: 'SNP' })
    await expect(convert()).rejects.toMatchObject({ code: 'KeyReleaseRefused' })
    expect(services.counters.has('tdx')).toBe(false)
  })

  it('is not relied on where it went under another key than the one that is released', async () => {
    await expect(convert({ wrappingKey: createPublicKey(pair.SNP.privateKey) })).rejects.toMatchObject({
      code: 'GuestStateOfAnotherVm',
    })
  })

  it('is not made of an older copy', async () => {
    services.counters.set('snp', 6)
    await expect(convert()).rejects.toMatchObject({ code: 'GuestStateRolledBack' })
  })

  it('is not made where the disk would stay closed, and the register is named', async () => {
    await expect(convert({ sealedTo: { ...sealedTo, 7: 'ff'.repeat(32) } })).rejects.toMatchObject({
      code: 'DiskSealWouldNotOpen',
      message: expect.stringContaining('PCR 7 will differ') as string,
      found: `PCR 7 = ${'07'.repeat(32)}`,
    })
  })
})
