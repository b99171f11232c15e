import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { authorityExtensions } from '@strongroom/der'
import { concat, digest, ParseError, toHex, type TrustAnchors } from '@strongroom/evidence'
import { parseCbor } from '@strongroom/evidence/files'
import { memoryKeyStore } from '@strongroom/silicon/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { issueCertificate, leafExtensions } from '../../packages/silicon/src/pki/certificate-writer.ts'
import { loadOrCreateKey, type SigningKey } from '../../packages/silicon/src/pki/keys.ts'
import { verifyFiles, type Verdict } from '../forged/support/doors.ts'
import { corpus, read } from './corpus.ts'
import { cborBytes, sign1, type Writable } from './support/cbor-writer.ts'

const now = new Date('2026-06-01T12:00:00Z')
const outcome = ({ exit, reason }: Verdict): [number, string] => [exit, reason]
/** The same map with an indefinite length: a break ends it. */
const open = (map: Uint8Array): Uint8Array => concat(Uint8Array.of(0xbf), map.subarray(1), Uint8Array.of(0xff))

describe('a document of AWS Nitro whose payload is a map of indefinite length', { timeout: 240_000 }, () => {
  let root: SigningKey
  let anchors: TrustAnchors
  let certificate: Uint8Array
  let leaf: Uint8Array
  beforeAll(async () => {
    root = await loadOrCreateKey(memoryKeyStore(), 'root', 'ecdsa-p384-sha384')
    const subject = [['CN', 'aws.nitro-enclaves']] as const
    const validity = { notBefore: new Date(now.getTime() - 1000), notAfter: new Date(now.getTime() + 1000) }
    const own = { serialNumber: 1n, subject, issuer: subject, subjectKey: root.spki, signer: root, ...validity }
    certificate = await issueCertificate({ ...own, extensions: authorityExtensions() })
    leaf = await issueCertificate({ ...own, serialNumber: 2n, subject: [['CN', 'i-1']], extensions: leafExtensions() })
    const pin = toHex(await digest('SHA-256', root.spki))
    anchors = { simulated: true, amd: [], intel: [], aws: [{ name: 'forged', spkiSha256: pin }] }
  })

  const payload = (more: [string, Writable][] = []): Uint8Array =>
    cborBytes({
      map: [
        ['module_id', 'i-1'],
        ['digest', 'SHA384'],
        ['timestamp', now.getTime()],
        ['nitrotpm_pcrs', { map: [[0, new Uint8Array(48).fill(1)]] }],
        ['certificate', leaf],
        ['cabundle', { list: [certificate] }],
        ...more,
      ],
    })
  const verify = async (bytes: Uint8Array): Promise<[number, string]> => {
    const document = cborBytes(await sign1(bytes, root.privateKey))
    return outcome(await verifyFiles({ 'nitro.cbor': document }, { anchors, at: now }))
  }

  it('is accepted by its signature over the bytes as they are', async () => {
    expect(await verify(payload())).toEqual([0, 'accepted'])
    expect(await verify(open(payload()))).toEqual([0, 'accepted'])
    // The same members in the other form are other bytes.
    const signed = cborBytes(await sign1(payload(), root.privateKey))
    const at = Buffer.from(signed).indexOf(payload())
    const length = payload().length + 1
    const size = Uint8Array.of(0x59, length >> 8, length & 255)
    const rewritten = concat(signed.subarray(0, at - 3), size, open(payload()), signed.subarray(at + payload().length))
    expect(outcome(await verifyFiles({ 'nitro.cbor': rewritten }, { anchors, at: now }))).toEqual([
      1,
      'TokenSignatureInvalid nitro.signature',
    ])
  })

  it('is refused with a member twice, without its break, with bytes behind it, or with another open item', async () => {
    const good = open(payload())
    expect(await verify(open(payload([['digest', 'SHA384']])))).toEqual([1, 'Duplicate nitro.format'])
    expect(await verify(good.subarray(0, -1))).toEqual([1, 'Truncated nitro.format'])
    expect(await verify(concat(good, Uint8Array.of(0xff)))).toEqual([1, 'TrailingBytes nitro.format'])
    const inner = concat(open(cborBytes({ map: [] })).subarray(0, 1), Uint8Array.of(0xff))
    const nested = concat(good.subarray(0, -1), cborBytes('nonce'), inner, Uint8Array.of(0xff))
    expect(await verify(nested)).toEqual([1, 'NotCanonical nitro.format'])
  })

  it('is read so in no other evidence', () => {
    const code = (bytes: Uint8Array, openMap?: boolean): string => {
      try {
        parseCbor(bytes, 'x', openMap === undefined ? {} : { openMap })
        return 'read'
      } catch (error) {
        return error instanceof ParseError ? error.code : 'another error'
      }
    }
    const map = open(cborBytes({ map: [[1, 2]] }))
    expect([code(map), code(map, true), code(cborBytes({ map: [] }), true)]).toEqual(['NotCanonical', 'read', 'read'])
    // A key without a value, and an open map inside another item.
    expect(code(Uint8Array.of(0xbf, 1, 0xff), true)).toBe('InvalidValue')
    expect(code(concat(Uint8Array.of(0x81), map), true)).toBe('NotCanonical')
  })
})

const folder = 'Dstack-TEE-dstack'
const genuine = [
  [`${folder}/dstack__dstack-attest__tests__nitro_attestation.bin`, '2025-12-25T16:30:00Z'],
  [`${folder}/dstack__nsm-qvl__tests__nitro_attestation.bin`, '2025-12-25T13:30:00Z'],
] as const

describe.skipIf(!genuine.every(([path]) => existsSync(join(corpus, path))))('a genuine document of NitroTPM', () => {
  /** From dstack's container: version, platform, then the document with its length in SCALE (two bytes). */
  const documentOf = (path: string): Uint8Array => {
    const bytes = read(path)
    const length = (bytes[2]! | (bytes[3]! << 8)) >>> 2
    return bytes.subarray(4, 4 + length)
  }

  it.each(genuine)('%s is accepted under AWS’s root at its time, and refused altered or later', async (path, at) => {
    const document = documentOf(path)
    const when = { at: new Date(at) }
    const found = await verifyFiles({ 'nitro.cbor': document }, when)
    expect(outcome(found)).toEqual([0, 'accepted'])
    const altered = Uint8Array.from(document)
    altered[altered.length - 120]! ^= 1
    expect((await verifyFiles({ 'nitro.cbor': altered }, when)).exit).toBe(1)
    const late = await verifyFiles({ 'nitro.cbor': document }, { at: new Date('2026-06-01') })
    expect(outcome(late)).toEqual([1, 'CertificateExpired nitro.path'])
  })
})
