import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toBase64Url } from '../../core/bytes/base64.ts'
import { utf8 } from '../../core/bytes/bytes.ts'
import { toHex } from '../../core/bytes/hex.ts'
import { ParseError } from '../../core/errors.ts'
import type { Jwk } from '../../tokens/keys.ts'
import { snpLaunchDigests } from '../measure/snp-launch-digest.ts'
import {
  firmwareListText,
  firmwareListType,
  parseFirmwareList,
  verifyFirmwareList,
  type FirmwareList,
  type FirmwareRelease,
} from './firmware-list.ts'
import { findFirmware, firmwareRefusal, type FirmwareUpdates } from './judge-firmware.ts'

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })
const time = fc.date({ min: new Date(0), max: new Date('9999-01-01'), noInvalidDate: true })
const release: fc.Arbitrary<FirmwareRelease> = fc.record({
  version: fc.string({ minLength: 1, maxLength: 200, unit: 'binary' }).filter((text) => text.length <= 200),
  securityVersion: fc.nat(999_999_999),
  builtAt: time,
  sha256: bytes(32),
  snp: fc.record({ start: bytes(48), resetAddress: fc.nat(0xffffffff) }),
  mrtd: bytes(48),
})
const list: fc.Arbitrary<FirmwareList> = fc.record({
  signedAt: time,
  first: fc.boolean(),
  releases: fc.uniqueArray(release, { selector: ({ sha256 }) => toHex(sha256), maxLength: 4 }),
})

const pair = (): { privateKey: KeyObject; jwk: Jwk } => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { privateKey, jwk: { ...(publicKey.export({ format: 'jwk' }) as Jwk), kid: 'own', use: 'sig', alg: 'ES256' } }
}
const own = pair()

function signed(payload: Uint8Array, header: object = {}, key: KeyObject = own.privateKey): string {
  const named = utf8(JSON.stringify({ alg: 'ES256', typ: firmwareListType, kid: 'own', ...header }))
  const input = `${toBase64Url(named)}.${toBase64Url(payload)}`
  const signature = sign('sha256', utf8(input), { key, dsaEncoding: 'ieee-p1363' })
  return `${input}.${toBase64Url(new Uint8Array(signature))}`
}

const at = (text: string): FirmwareRelease => ({
  version: text,
  securityVersion: 1,
  builtAt: new Date('2026-01-01'),
  sha256: new Uint8Array(32).fill(text.codePointAt(0)!),
  snp: { start: new Uint8Array(48).fill(text.codePointAt(0)!), resetAddress: 0x80b004 },
  mrtd: new Uint8Array(48).fill(text.codePointAt(0)!),
})
const two: FirmwareList = {
  signedAt: new Date('2026-11-29'),
  first: false,
  releases: [at('a'), { ...at('b'), securityVersion: 2 }],
}

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  await work.then(
    () => 'it counts',
    (error: unknown) => (error as { code: string }).code,
  )

describe('a list of firmware releases', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(list, (written) => {
        expect(parseFirmwareList(firmwareListText(written))).toEqual(written)
      }),
    )
  })

  it('is refused with a ParseError, or read as a list, whatever stands in it', () => {
    const value = fc.oneof(
      fc.jsonValue(),
      list.map((written) => JSON.parse(new TextDecoder().decode(firmwareListText(written))) as unknown),
    )
    fc.assert(
      fc.property(value, fc.string({ maxLength: 12 }), fc.jsonValue(), (document, name, planted) => {
        const changed = typeof document === 'object' && document !== null ? { ...document, [name]: planted } : document
        const text = utf8(JSON.stringify(changed))
        try {
          // It accepts only one spelling.
          expect(firmwareListText(parseFirmwareList(text))).toEqual(text)
        } catch (error) {
          expect(error).toBeInstanceOf(ParseError)
        }
      }),
    )
  })

  it('names each firmware once, and no number or digest in another form', () => {
    const document = JSON.parse(new TextDecoder().decode(firmwareListText(two))) as {
      releases: Record<string, unknown>[]
    }
    const [first] = document.releases
    const withRelease = (change: object): Uint8Array =>
      utf8(JSON.stringify({ ...document, releases: [{ ...first, ...change }] }))
    for (const change of [
      { securityVersion: -1 },
      { securityVersion: 1.5 },
      { securityVersion: '1' },
      { sha256: 'AB'.repeat(32) },
      { mrtd: String(first!['sha256']) },
      { snp: { start: first!['mrtd'] } },
      { snp: { start: first!['mrtd'], resetAddress: 2 ** 32 } },
      { note: '' },
    ])
      expect(() => parseFirmwareList(withRelease(change)), JSON.stringify(change)).toThrow(ParseError)
    const twice = utf8(JSON.stringify({ ...document, releases: [first, first] }))
    expect(() => parseFirmwareList(twice)).toThrow(ParseError)
  })

  it('counts under a pinned key alone, and as no other document (attack H17)', async () => {
    const text = firmwareListText(two)
    expect(await verifyFirmwareList({ jws: signed(text), keys: [own.jwk] })).toEqual(two)
    const [header, , signature] = signed(text).split('.')
    const altered = `${header}.${toBase64Url(firmwareListText({ ...two, releases: [at('c')] }))}.${signature}`
    expect(await codeOf(verifyFirmwareList({ jws: altered, keys: [own.jwk] }))).toBe('TokenSignatureInvalid')
    const other = pair()
    const foreign = signed(text, {}, other.privateKey)
    expect(await codeOf(verifyFirmwareList({ jws: foreign, keys: [own.jwk] }))).toBe('TokenSignatureInvalid')
    expect(await codeOf(verifyFirmwareList({ jws: signed(text, { kid: 'x' }), keys: [own.jwk] }))).toBe(
      'TokenKeyUnknown',
    )
    expect(await codeOf(verifyFirmwareList({ jws: signed(text), keys: [] }))).toBe('TokenKeyUnknown')
    const measurements = signed(text, { typ: 'strongroom-image-measurements+jws' })
    expect(await codeOf(verifyFirmwareList({ jws: measurements, keys: [own.jwk] }))).toBe('TokenOfAnotherKind')
    expect(await codeOf(verifyFirmwareList({ jws: signed(text, { crit: ['b'] }), keys: [own.jwk] }))).toBe(
      'UnknownCriticalExtension',
    )
  })
})

describe('the release that a guest was launched with', () => {
  const launch = { vcpuType: 'EPYC-Milan', vCPUs: 8 }

  it('is found by the launch digest of any number of processors that a size has, and by the MRTD', async () => {
    const digests = await snpLaunchDigests({ ...at('b').snp, ...launch })
    for (const measurement of digests)
      expect((await findFirmware(two, { tee: 'SNP', measurement, ...launch }))?.version).toBe('b')
    expect((await findFirmware(two, { tee: 'TDX', measurement: at('a').mrtd, ...launch }))?.version).toBe('a')
  })

  it('is none of another measurement, of more processors, or of the other technology', async () => {
    const [last] = (await snpLaunchDigests({ ...at('b').snp, ...launch, vCPUs: 9 })).slice(-1)
    expect(await findFirmware(two, { tee: 'SNP', measurement: last!, ...launch })).toBeUndefined()
    expect(await findFirmware(two, { tee: 'SNP', measurement: at('a').mrtd, ...launch })).toBeUndefined()
    expect(await findFirmware(two, { tee: 'TDX', measurement: new Uint8Array(), ...launch })).toBeUndefined()
  })
})

describe('whether a VM may be launched with a release', () => {
  const [a, b] = two.releases as [FirmwareRelease, FirmwareRelease]
  const ran = ({ version, securityVersion, sha256 }: FirmwareRelease) => ({
    version,
    securityVersion,
    sha256: toHex(sha256),
  })
  const judged = (
    found: FirmwareRelease | undefined,
    before: FirmwareRelease | undefined,
    updates: FirmwareUpdates,
  ): string =>
    firmwareRefusal({ list: two, found, measurement: new Uint8Array(48), updates, ran: before && ran(before) })?.code ??
    'allowed'

  it('depends on the list, on what it ran last, and on its owner', () => {
    const same = { ...at('c'), securityVersion: 1 }
    const table: [FirmwareRelease | undefined, FirmwareRelease | undefined, FirmwareUpdates, string][] = [
      [a, undefined, 'Listed', 'allowed'],
      [a, undefined, 'Pinned', 'allowed'],
      [undefined, undefined, 'ListedOrOlder', 'FirmwareNotListed'],
      [undefined, a, 'Listed', 'FirmwareNotListed'],
      [b, a, 'Listed', 'allowed'],
      [same, a, 'Listed', 'allowed'],
      [a, b, 'Listed', 'FirmwareSuperseded'],
      [a, b, 'ListedOrOlder', 'allowed'],
      [b, a, 'Pinned', 'FirmwarePinned'],
      [same, a, 'Pinned', 'FirmwarePinned'],
      [a, a, 'Pinned', 'allowed'],
    ]
    for (const [found, before, updates, expected] of table)
      expect(judged(found, before, updates), `${before?.version} → ${found?.version}, ${updates}`).toBe(expected)
  })

  it('never allows one that is older in security without the owner’s word', () => {
    fc.assert(
      fc.property(release, release, fc.constantFrom('Listed', 'Pinned'), (found, before, updates) => {
        fc.pre(found.securityVersion < before.securityVersion)
        expect(judged(found, before, updates as FirmwareUpdates)).not.toBe('allowed')
      }),
    )
  })
})
