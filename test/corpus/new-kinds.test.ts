import { authorityExtensions } from '@strongroom/der'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { ByteWriter, concat, digest, ParseError, parseGuid, toHex, type TrustAnchors, utf8 } from '@strongroom/evidence'
import { parseCbor, svsmManifestGuid } from '@strongroom/evidence/files'
import { spread } from '@strongroom/platform/testing'
import { memoryKeyStore } from '@strongroom/silicon/testing'
import { issueCertificate, leafExtensions } from '../../packages/silicon/src/pki/certificate-writer.ts'
import { loadOrCreateKey, type SigningKey } from '../../packages/silicon/src/pki/keys.ts'
import { AmdAuthority, at as field, pemOf } from '../forged/support/amd-authority.ts'
import { verifyFiles, type Verdict } from '../forged/support/doors.ts'
import { cborBytes, sign1, type Writable } from './support/cbor-writer.ts'

/** Milliseconds: generating 4096-bit keys takes seconds, and longer on a busy machine. */
const making = 240_000
const now = new Date('2026-06-01T12:00:00Z')
const hour = 3_600_000
const outcome = ({ exit, reason }: Verdict): [number, string] => [exit, reason]

describe('the reader of CBOR', () => {
  const code = (bytes: number[]): string => {
    try {
      parseCbor(Uint8Array.from(bytes), 'x')
      return 'read'
    } catch (error) {
      if (!(error instanceof ParseError)) throw error
      return error.code
    }
  }

  it('reads each meaning in one form, and bounds what it reads (attack E18)', () => {
    for (const [bytes, wanted] of [
      [[0x17], 'read'],
      [[0x18, 0x18], 'read'],
      [[0x18, 0x17], 'NotCanonical'],
      [[0x19, 0x00, 0xff], 'NotCanonical'],
      [[0x1a, 0x00, 0x00, 0xff, 0xff], 'NotCanonical'],
      [[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], 'NotCanonical'],
      [[0x1b, 0xff, 0, 0, 0, 0, 0, 0, 0], 'InvalidValue'],
      [[0x5f, 0x41, 0x00, 0xff], 'NotCanonical'],
      [[0xbf, 0xff], 'NotCanonical'],
      [[0xa2, 0x01, 0x02, 0x01, 0x03], 'Duplicate'],
      [[0xa1, 0xf6, 0x02], 'InvalidValue'],
      [[0xfb, 0, 0, 0, 0, 0, 0, 0, 0], 'InvalidValue'],
      [[0x61, 0xff], 'InvalidEncoding'],
      [[0x01, 0x01], 'TrailingBytes'],
      [[0x42, 0x01], 'Truncated'],
      [[0x9a, 0xff, 0xff, 0xff, 0xff], 'Truncated'],
      [[...Array.from({ length: 40 }, () => 0x81), 0x01], 'TooDeep'],
      [[0x99, 0x20, 0x00, ...new Uint8Array(0x2000)], 'TooLarge'],
    ] as const) {
      expect([bytes.slice(0, 9), code([...bytes])]).toEqual([bytes.slice(0, 9), wanted])
    }
  })

  it('gives back what was written, and ends in no other error than a ParseError', () => {
    const leaf = fc.oneof(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), fc.string(), fc.boolean(), fc.constant(null))
    fc.assert(
      fc.property(fc.array(leaf, { maxLength: 30 }), (list) => {
        expect(parseCbor(cborBytes({ list }), 'x')).toEqual(list)
      }),
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void code([...bytes])))
  })
})

describe('a document of AWS Nitro', { timeout: making }, () => {
  let root: SigningKey
  let leaf: SigningKey
  let anchors: TrustAnchors
  let certificates: { leaf: Uint8Array; bundle: Uint8Array[] }
  beforeAll(async () => {
    const store = memoryKeyStore()
    root = await loadOrCreateKey(store, 'root', 'ecdsa-p384-sha384')
    leaf = await loadOrCreateKey(store, 'leaf', 'ecdsa-p384-sha384')
    certificates = await certify(root)
    const pin = toHex(await digest('SHA-256', root.spki))
    anchors = { simulated: true, amd: [], intel: [], aws: [{ name: 'forged', spkiSha256: pin }] }
  })

  async function certify(signer: SigningKey): Promise<{ leaf: Uint8Array; bundle: Uint8Array[] }> {
    const name = [['CN', 'aws.nitro-enclaves']] as const
    const validity = { notBefore: new Date(now.getTime() - hour), notAfter: new Date(now.getTime() + 2 * hour) }
    const own = { issuer: name, signer, ...validity }
    return {
      bundle: [
        await issueCertificate({
          ...own,
          serialNumber: 1n,
          subject: name,
          subjectKey: signer.spki,
          extensions: authorityExtensions(),
        }),
      ],
      leaf: await issueCertificate({
        ...own,
        serialNumber: 2n,
        subject: [['CN', 'i-1']],
        subjectKey: leaf.spki,
        extensions: leafExtensions(),
      }),
    }
  }

  const registers = (first = 0xaa): Writable => ({
    map: [0, 1, 2].map((index): [number, Writable] => [index, new Uint8Array(48).fill(index === 0 ? first : index)]),
  })
  const members = (changes: Record<string, Writable | undefined> = {}): Writable => {
    const all: Record<string, Writable | undefined> = {
      module_id: 'i-1-enc2',
      digest: 'SHA384',
      timestamp: now.getTime(),
      pcrs: registers(),
      certificate: certificates.leaf,
      cabundle: { list: certificates.bundle },
      public_key: null,
      user_data: utf8('data'),
      nonce: Uint8Array.of(1, 2, 3),
      ...changes,
    }
    return { map: Object.entries(all).filter((entry): entry is [string, Writable] => entry[1] !== undefined) }
  }
  const document = async (
    changes: Record<string, Writable | undefined> = {},
    o: { algorithm?: number; key?: CryptoKey } = {},
  ): Promise<Uint8Array> => cborBytes(await sign1(cborBytes(members(changes)), o.key ?? leaf.privateKey, o))
  const verify = async (bytes: Uint8Array, policy?: object, at = now): Promise<Verdict> =>
    verifyFiles({ 'nitro.cbor': bytes }, { anchors, at, ...(policy === undefined ? {} : { policy }) })

  it('is accepted under a pinned root, with what it says and what nobody asked (attack E18)', async () => {
    const verdict = await verify(await document())
    expect(outcome(verdict)).toEqual([0, 'accepted'])
    expect(verdict.text).toContain(`register 0: ${'aa'.repeat(48)}`)
    expect(verdict.text).toContain('challenge answered: 010203')
    expect(verdict.text).toContain('challenge (--nonce, tpm.nonce)')
    const tagged = cborBytes({ tag: 18, value: await sign1(cborBytes(members()), leaf.privateKey) })
    expect(outcome(await verify(tagged))).toEqual([0, 'accepted'])
    const instance = await document({ pcrs: undefined, nitrotpm_pcrs: registers(0) })
    expect(outcome(await verify(instance))).toEqual([0, 'accepted'])
  })

  it('is refused under another root, outside its time, by another key or algorithm (attack E18)', async () => {
    const good = await document()
    const genuine = await verifyFiles({ 'nitro.cbor': good }, { at: now })
    expect(outcome(genuine)).toEqual([1, 'UntrustedRoot nitro.path'])
    expect(outcome(await verify(good, undefined, new Date(now.getTime() + 5 * hour)))).toEqual([
      1,
      'CertificateExpired nitro.path',
    ])
    expect(outcome(await verify(await document({}, { key: root.privateKey })))).toEqual([
      1,
      'TokenSignatureInvalid nitro.signature',
    ])
    const stranger = await loadOrCreateKey(memoryKeyStore(), 'root', 'ecdsa-p384-sha384')
    const forged = await certify(stranger)
    const under = await document({ certificate: forged.leaf, cabundle: { list: forged.bundle } })
    expect(outcome(await verify(under))).toEqual([1, 'UntrustedRoot nitro.path'])
    for (const algorithm of [-7, -36, -37]) expect((await verify(await document({}, { algorithm }))).exit).not.toBe(0)
  })

  it('is held to its form, to its challenge and registers, and is of no enclave in debug mode (attack E18)', async () => {
    for (const [changes, reason] of [
      [{ pcrs: registers(0) }, 'Forbidden policy.debug'],
      [{ digest: 'SHA256' }, 'UnknownType nitro.format'],
      [{ module_id: undefined }, 'InvalidValue nitro.format'],
      [{ timestamp: 0 }, 'InvalidValue nitro.format'],
      [{ pcrs: { map: [[0, new Uint8Array(32)]] } }, 'InvalidValue nitro.format'],
      [{ pcrs: { map: [[32, new Uint8Array(48)]] } }, 'InvalidValue nitro.format'],
      [{ nitrotpm_pcrs: registers() }, 'Missing nitro.format'],
      [{ cabundle: { list: [] } }, 'InvalidValue nitro.format'],
      [{ extra: 1 }, 'UnknownType nitro.format'],
    ] as [Record<string, Writable | undefined>, string][]) {
      expect(outcome(await verify(await document(changes)))).toEqual([1, reason])
    }
    const good = await document()
    expect(outcome(await verify(good, { tpm: { nonce: '010203', pcrs: { '0': 'aa'.repeat(48) } } }))).toEqual([
      0,
      'accepted',
    ])
    expect(outcome(await verify(good, { tpm: { nonce: '0102' } }))).toEqual([1, 'NotEqual policy.nonce'])
    expect(outcome(await verify(await document({ nonce: null }), { tpm: { nonce: '0102' } }))).toEqual([
      1,
      'Missing policy.nonce',
    ])
    expect(outcome(await verify(good, { tpm: { pcrs: { '0': 'bb'.repeat(48) } } }))).toEqual([
      1,
      'NotEqual policy.pcrs.0',
    ])
    expect(outcome(await verify(good, { tpm: { pcrs: { '9': 'bb'.repeat(48) } } }))).toEqual([
      1,
      'Missing policy.pcrs.9',
    ])
  })

  it('is not accepted with any byte of it changed, cut or added (attack E18)', async () => {
    const good = await document()
    const places = [...good.keys()].filter((index) => index < 40 || index % 5 === 0)
    for (const index of spread(places, 7)) {
      const changed = good.map((byte, place) => (place === index ? byte ^ (1 << (index % 8)) : byte))
      expect([index, (await verify(changed)).exit > 0]).toEqual([index, true])
    }
    expect((await verify(good.slice(0, -1))).exit).toBe(1)
    expect((await verify(concat(good, Uint8Array.of(0)))).exit).toBe(1)
  })
})

describe('a token of an Arm CCA realm', { timeout: making }, () => {
  const ec = { name: 'ECDSA', namedCurve: 'P-384' }
  let platform: CryptoKeyPair
  let realm: CryptoKeyPair
  let pem: string
  beforeAll(async () => {
    platform = await crypto.subtle.generateKey(ec, true, ['sign', 'verify'])
    realm = await crypto.subtle.generateKey(ec, true, ['sign', 'verify'])
    pem = await pemOfKey(platform)
  })
  const pemOfKey = async ({ publicKey }: CryptoKeyPair): Promise<string> => {
    const spki = Buffer.from(await crypto.subtle.exportKey('spki', publicKey)).toString('base64')
    return `-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----\n`
  }

  const token = async (
    o: {
      lifecycle?: number
      bound?: Uint8Array
      platformBy?: CryptoKey
      realmBy?: CryptoKey
      coseKey?: boolean
      tag?: number
    } = {},
  ): Promise<Uint8Array> => {
    const point = new Uint8Array(await crypto.subtle.exportKey('raw', realm.publicKey))
    const cose = cborBytes({
      map: [
        [1, 2],
        [-1, 2],
        [-2, point.slice(1, 49)],
        [-3, point.slice(49)],
      ],
    })
    const publicKey = o.coseKey === true ? cose : point
    const realmClaims = cborBytes({
      map: [
        [10, new Uint8Array(64).fill(7)],
        [44235, new Uint8Array(64)],
        [44236, 'sha-256'],
        [44237, publicKey],
        [44238, new Uint8Array(32).fill(3)],
        [44239, { list: [0, 1, 2, 3].map(() => new Uint8Array(32)) }],
        [44240, 'sha-256'],
      ],
    })
    const platformClaims = cborBytes({
      map: [
        [265, 'tag:arm.com,2023:cca_platform#1.0.0'],
        [10, o.bound ?? (await digest('SHA-256', publicKey))],
        [2396, new Uint8Array(32).fill(1)],
        [256, new Uint8Array(33).fill(1)],
        [2395, o.lifecycle ?? 0x3000],
        [2402, 'sha-256'],
      ],
    })
    const part = async (payload: Uint8Array, key: CryptoKey): Promise<Uint8Array> =>
      cborBytes({ tag: 18, value: await sign1(payload, key) })
    return cborBytes({
      tag: o.tag ?? 399,
      value: {
        map: [
          [44234, await part(platformClaims, o.platformBy ?? platform.privateKey)],
          [44241, await part(realmClaims, o.realmBy ?? realm.privateKey)],
        ],
      },
    })
  }
  const verify = async (bytes: Uint8Array, key: string | undefined = pem, policy?: object): Promise<Verdict> =>
    verifyFiles(
      { 'cca.cbor': bytes, ...(key === undefined ? {} : { 'cpak.pem': key }) },
      { at: now, ...(policy === undefined ? {} : { policy }) },
    )

  it('holds by the platform’s key where that is given, and has no verdict without it (attack E18)', async () => {
    for (const o of [{}, { coseKey: true }, { tag: 907 }])
      expect(outcome(await verify(await token(o)))).toEqual([7, 'unendorsed'])
    const alone = await verifyFiles({ 'cca.cbor': await token() }, { at: now })
    expect([alone.exit, alone.text.includes('The platform’s key (CPAK) was not given')]).toEqual([2, true])
    const nonce = '07'.repeat(64)
    expect(outcome(await verify(await token(), pem, { tpm: { nonce } }))).toEqual([7, 'unendorsed'])
  })

  it('is accepted only by a platform’s key that the policy names (attack E25)', async () => {
    const der = Buffer.from(pem.replaceAll(/-----.*-----|\s/g, ''), 'base64')
    const pin = { name: 'platform', spkiSha256: toHex(await digest('SHA-256', der)) }
    expect(outcome(await verify(await token(), pem, { keys: [pin] }))).toEqual([0, 'accepted'])
    const other = await verify(await token(), pem, { keys: [{ ...pin, spkiSha256: '00'.repeat(32) }] })
    expect([other.exit, other.text.includes('Key not endorsed')]).toEqual([7, true])
    expect(other.text).not.toMatch(/Accepted|A platform of Arm/)
  })

  it('is nobody’s but its maker’s by a key that stands in one file with it (attack E20)', async () => {
    const forged = Buffer.from(await token())
    for (const file of [
      { realm: forged.toString('base64'), key: pem },
      { key: pem, inside: { realm: forged.toString('hex') } },
      { realm: [...forged], own: [pem] },
    ]) {
      const { exit, text } = await verifyFiles({ 'cca.json': JSON.stringify(file) }, { at: now })
      expect([exit, text.includes('The platform’s key (CPAK) was not given')]).toEqual([1, true])
    }
  })

  it('is refused by another key, for another realm, challenge or a platform that can be debugged (attack E18)', async () => {
    const other = await crypto.subtle.generateKey(ec, true, ['sign', 'verify'])
    expect((await verify(await token(), await pemOfKey(other))).reasons).toContain('TokenSignatureInvalid cca.platform')
    expect(outcome(await verify(await token({ platformBy: other.privateKey })))[1]).toBe(
      'TokenSignatureInvalid cca.platform',
    )
    expect(outcome(await verify(await token({ realmBy: other.privateKey })))).toEqual([
      1,
      'TokenSignatureInvalid cca.realm',
    ])
    expect(outcome(await verify(await token({ bound: new Uint8Array(32) })))).toEqual([
      1,
      'BindingMismatch cca.binding',
    ])
    expect(outcome(await verify(await token({ lifecycle: 0x4000 })))).toEqual([1, 'Forbidden policy.lifecycle'])
    expect(outcome(await verify(await token(), pem, { tpm: { nonce: '08'.repeat(64) } }))).toEqual([
      1,
      'NonceMismatch cca.nonce',
    ])
  })

  it('is not accepted with any byte of it changed (attack E18)', async () => {
    const good = await token()
    const places = [...good.keys()].filter((index) => index < 20 || index % 3 === 2)
    for (const index of spread(places, 7)) {
      const changed = good.map((byte, place) => (place === index ? byte ^ (1 << (index % 8)) : byte))
      // 399 and 907 mean the same; no signature covers the tag.
      expect([index, (await verify(changed)).exit > 0]).toEqual([index, true])
    }
  })
})

describe('the manifest of an SVSM', { timeout: making }, () => {
  let amd: AmdAuthority
  let chain: string
  beforeAll(async () => {
    amd = await AmdAuthority.open()
    chain = pemOf(await amd.chain())
  }, making)
  const nonce = Uint8Array.of(9, 9, 9)
  const vtpm = parseGuid('c476f1eb-0123-45a5-9641-b4e7dde5bfe3')
  const manifest = (data = utf8('public area of a key')): Uint8Array =>
    new ByteWriter()
      .bytes(svsmManifestGuid)
      .u32le(48 + data.length)
      .u32le(1)
      .bytes(vtpm)
      .u32le(48)
      .u32le(data.length)
      .bytes(data)
      .finish()
  const verify = async (
    bytes: Uint8Array,
    o: { vmpl?: number; given?: Uint8Array | undefined } = {},
  ): Promise<Verdict> => {
    const bound = await digest('SHA-512', concat(nonce, manifest()))
    const report = await amd.report((raw, view) => {
      raw.set(bound, field.reportData)
      view.setUint32(field.vmpl, o.vmpl ?? 0, true)
    })
    const given = 'given' in o ? o.given : nonce
    const policy = given === undefined ? {} : { policy: { tpm: { nonce: toHex(given) } } }
    return verifyFiles(
      { 'manifest.bin': bytes, 'report.bin': report, 'chain.pem': chain },
      { anchors: amd.anchors, ...policy },
    )
  }

  it('is accepted under the report that binds it with the challenge, of privilege level 0 alone (attack E18)', async () => {
    expect(outcome(await verify(manifest()))).toEqual([0, 'accepted'])
    expect(outcome(await verify(manifest(utf8('another key'))))).toEqual([1, 'BindingMismatch svsm.binding'])
    expect(outcome(await verify(manifest(), { vmpl: 1 }))).toEqual([1, 'BindingMismatch svsm.binding'])
    expect(outcome(await verify(manifest(), { given: Uint8Array.of(1) }))).toEqual([1, 'BindingMismatch svsm.binding'])
    expect((await verify(manifest(), { given: undefined })).exit).toBe(2)
    expect((await verifyFiles({ 'manifest.bin': manifest() }, { anchors: amd.anchors })).exit).toBe(2)
  })

  it('is not accepted with any byte of it changed, cut or added (attack E18)', async () => {
    const good = manifest()
    for (let index = 0; index < good.length; index++) {
      const changed = good.map((byte, place) => (place === index ? byte ^ 1 : byte))
      expect([index, (await verify(changed)).exit > 0]).toEqual([index, true])
    }
    expect((await verify(good.slice(0, -1))).exit).toBe(1)
    expect((await verify(concat(good, Uint8Array.of(0)))).exit).toBe(1)
  })
})
