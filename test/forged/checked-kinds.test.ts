import { generateKeyPairSync } from 'node:crypto'
import { authorityExtensions, type Extension } from '@strongroom/der'
import {
  ByteWriter,
  concat,
  digest,
  parsePublicKey,
  parseSnpReport,
  toHex,
  utf8,
  webPrimitives,
  type Check,
  type PublicKey,
  type SnpReport,
  type TrustAnchors,
} from '@strongroom/evidence'
import { checkCca, checkNitro, checkSvsm, type EvidencePolicy, svsmManifestGuid } from '@strongroom/evidence/files'
import { memoryKeyStore } from '@strongroom/silicon/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { issueCertificate, leafExtensions } from '../../packages/silicon/src/pki/certificate-writer.ts'
import { loadOrCreateKey, type SigningKey } from '../../packages/silicon/src/pki/keys.ts'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'
import {
  type Hierarchy,
  issueChain,
  issueReport,
  openHierarchy,
  spkiPin,
} from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import { faults, findings, leaves } from '../../packages/silicon/src/testing/checks.ts'
import { counting } from '../../packages/silicon/src/testing/counting.ts'
import { made, now, until } from '../../packages/silicon/src/testing/times.ts'
import { cborBytes, sign1, type Writable } from '../corpus/support/cbor-writer.ts'
import { faultsOf, type Files, judgeFiles } from './support/judged.ts'

/** Everything is signed by the right key: only one rule at a time fails. */
const skippedIn = (check: Check): string[] =>
  leaves(check)
    .filter(({ outcome, optional }) => outcome === 'skipped' && optional !== true)
    .map(({ id }) => id)
/** Each failed rule of a policy, with expected and found. */
const rules = (check: Check): unknown[] =>
  leaves(check)
    .filter(({ id }) => id.startsWith('policy.'))
    .map(({ id, code, expected, actual }) => [id, code, expected, actual])

const none: TrustAnchors = { simulated: true, amd: [], intel: [] }
const verdict = async (
  files: Files,
  o: { anchors?: TrustAnchors; policy?: EvidencePolicy } = {},
): Promise<string[]> => {
  const found = await judgeFiles(files, { anchors: none, at: now, ...o })
  return [found.verdict, ...faultsOf(found)]
}

describe('checkNitro', () => {
  let keys: Record<'root' | 'ca' | 'leaf', SigningKey>
  let bundle: Uint8Array[]
  let leaf: Uint8Array
  let pin: string
  beforeAll(async () => {
    const store = memoryKeyStore()
    const key = (name: string): Promise<SigningKey> => loadOrCreateKey(store, name, 'ecdsa-p384-sha384')
    keys = { root: await key('root'), ca: await key('ca'), leaf: await key('leaf') }
    pin = await spkiPin(keys.root)
    const issue = (
      subject: keyof typeof keys,
      issuer: keyof typeof keys,
      extensions: Extension[],
    ): Promise<Uint8Array> =>
      issueCertificate({
        serialNumber: 1n,
        subject: [['CN', subject]],
        issuer: [['CN', issuer]],
        subjectKey: keys[subject].spki,
        signer: keys[issuer],
        extensions,
        notBefore: made,
        notAfter: until,
      })
    bundle = [await issue('root', 'root', authorityExtensions()), await issue('ca', 'root', authorityExtensions(0))]
    leaf = await issue('leaf', 'ca', leafExtensions())
  })

  const registers = (...first: [number, number][]): Writable => ({
    map: first.map(([index, value]): [number, Writable] => [index, new Uint8Array(48).fill(value)]),
  })
  const document = async (changes: Record<string, Writable | undefined> = {}, by = keys.leaf): Promise<Uint8Array> => {
    const members: Record<string, Writable | undefined> = {
      module_id: 'i-1',
      digest: 'SHA384',
      timestamp: now.getTime(),
      pcrs: registers([0, 0xaa], [1, 0]),
      certificate: leaf,
      cabundle: { list: bundle },
      nonce: Uint8Array.of(1, 2, 3),
      ...changes,
    }
    const map = Object.entries(members).filter((each): each is [string, Writable] => each[1] !== undefined)
    return cborBytes(await sign1(cborBytes({ map }), by.privateKey))
  }
  type Given = Partial<Parameters<typeof checkNitro>[0]>
  const check = async (bytes: Uint8Array, o: Given = {}): Promise<Check> =>
    await checkNitro({ document: bytes, anchors: [{ name: 'forged', spkiSha256: pin }], at: now, ...o })

  it('says what it found at each step, by the primitives that it was given', async () => {
    const { primitives, checks } = counting()
    const tree = await check(await document(), { primitives })
    expect([tree.id, tree.outcome, findings(tree)]).toEqual([
      'nitro',
      'passed',
      {
        'nitro.format': `of an enclave, ${now.toISOString()}`,
        'nitro.path': 'root',
        'nitro.signature': undefined,
        'nitro.policy': undefined,
      },
    ])
    expect(checks()).toBe(4)
    const instance = await check(await document({ pcrs: undefined, nitrotpm_pcrs: registers([0, 0]) }))
    expect([instance.outcome, findings(instance)['nitro.format']]).toEqual([
      'passed',
      `of an instance, ${now.toISOString()}`,
    ])
  })

  it('fails at the check that does not hold, and at nothing else', async () => {
    for (const [bytes, o, ...wanted] of [
      [Uint8Array.of(1), {}, 'nitro.format InvalidValue'],
      [await document(), { anchors: [{ name: 'x', spkiSha256: '00'.repeat(32) }] }, 'nitro.path UntrustedRoot'],
      [await document(), { anchors: [] }, 'nitro.path NoTrustAnchors'],
      [await document(), { at: new Date(until.getTime() + 1000) }, 'nitro.path CertificateExpired'],
      [await document({ cabundle: { list: bundle.toReversed() } }), {}, 'nitro.path UntrustedRoot'],
      [await document({}, keys.ca), {}, 'nitro.signature TokenSignatureInvalid'],
    ] as [Uint8Array, Given, ...string[]][]) {
      const tree = await check(bytes, o)
      expect([faults(tree), tree.outcome]).toEqual([wanted, 'failed'])
    }
    expect(skippedIn(await check(Uint8Array.of(1)))).toEqual(['nitro.path', 'nitro.signature', 'nitro.policy'])
  })

  it('is held to its challenge and registers, and is of no enclave in debug mode', async () => {
    const zero = [['policy.debug', 'Forbidden', 'a measured image', 'register 0 is zero: debug mode']]
    expect(rules(await check(await document({ pcrs: registers([0, 0]) })))).toEqual(zero)
    expect(rules(await check(await document({ pcrs: registers([1, 5]) })))).toEqual(zero)
    const good = await document()
    const nonce = Uint8Array.of(1, 2, 3)
    const aa = new Uint8Array(48).fill(0xaa)
    expect((await check(good, { nonce, pcrs: new Map([[0, aa]]) })).outcome).toBe('passed')
    const [bb, wrong] = [new Uint8Array(48).fill(0xbb), Uint8Array.of(9)]
    const pcrs = new Map([
      [0, bb],
      [7, bb],
    ])
    expect(rules(await check(good, { nonce: wrong, pcrs }))).toEqual([
      ['policy.nonce', 'NotEqual', '09', '010203'],
      ['policy.pcrs.0', 'NotEqual', toHex(bb), toHex(aa)],
      ['policy.pcrs.7', 'Missing', toHex(bb), 'none'],
    ])
    expect(rules(await check(await document({ nonce: undefined }), { nonce }))).toEqual([
      ['policy.nonce', 'Missing', '010203', 'none'],
    ])
  })

  it('is judged so as a file, by the policy’s challenge and registers', async () => {
    const aws = [{ name: 'forged', spkiSha256: pin }]
    const file = { 'n.cbor': await document() }
    const of = async (tpm: object = {}, more: object = { aws }): Promise<string[]> =>
      await verdict(file, { policy: { tpm }, anchors: { ...none, ...more } })
    expect(await of()).toEqual(['accepted'])
    expect(await of({}, {})).toEqual(['refused', 'nitro.path NoTrustAnchors', 'nitro.signature skipped'])
    expect(await of({ nonce: Uint8Array.of(1, 2, 3) })).toEqual(['accepted'])
    expect(await of({ nonce: Uint8Array.of(9) })).toEqual(['refused', 'nitro.policy failed', 'policy.nonce NotEqual'])
    const primitives = { ...webPrimitives, verify: () => false }
    expect((await judgeFiles(file, { anchors: { ...none, aws }, at: now, primitives })).verdict).toBe('refused')
    const pcrs = new Map([[0, new Uint8Array(48)]])
    expect(await of({ pcrs })).toEqual(['refused', 'nitro.policy failed', 'policy.pcrs.0 NotEqual'])
  })
})

describe('checkCca', () => {
  const ec = { name: 'ECDSA', namedCurve: 'P-384' }
  let [platform, realm, other]: CryptoKeyPair[] = []
  beforeAll(async () => {
    ;[platform, realm, other] = await Promise.all(
      [1, 2, 3].map(async () => await crypto.subtle.generateKey(ec, true, ['sign', 'verify'])),
    )
  })
  const keyOf = async ({ publicKey }: CryptoKeyPair): Promise<PublicKey> =>
    parsePublicKey(new Uint8Array(await crypto.subtle.exportKey('spki', publicKey)))

  const token = async (
    o: { lifecycle?: number; bound?: Uint8Array; platform?: CryptoKeyPair; realm?: CryptoKeyPair } = {},
  ): Promise<Uint8Array> => {
    const publicKey = new Uint8Array(await crypto.subtle.exportKey('raw', realm!.publicKey))
    const ofRealm: Writable = {
      map: [
        [10, new Uint8Array(64).fill(7)],
        [44235, new Uint8Array(64)],
        [44237, publicKey],
        [44238, new Uint8Array(32)],
        [44239, { list: [0, 1, 2, 3].map(() => new Uint8Array(32)) }],
        [44240, 'sha-384'],
      ],
    }
    const ofPlatform: Writable = {
      map: [
        [10, o.bound ?? (await digest('SHA-384', publicKey))],
        [2396, new Uint8Array(32)],
        [256, new Uint8Array(33)],
        [2395, o.lifecycle ?? 0x3000],
      ],
    }
    const part = async (claims: Writable, { privateKey }: CryptoKeyPair): Promise<Uint8Array> =>
      cborBytes({ tag: 18, value: await sign1(cborBytes(claims), privateKey) })
    const map: [number, Writable][] = [
      [44234, await part(ofPlatform, o.platform ?? platform!)],
      [44241, await part(ofRealm, o.realm ?? realm!)],
    ]
    return cborBytes({ tag: 399, value: { map } })
  }
  type Given = Partial<Parameters<typeof checkCca>[0]>
  const check = async (bytes: Uint8Array, o: Given = {}): ReturnType<typeof checkCca> =>
    await checkCca({ token: bytes, keys: [await keyOf(platform!)], ...o })

  it('is by the one of the given keys that signed it, with the primitives that were given', async () => {
    const keys = [await keyOf(other!), await keyOf(platform!)]
    const { primitives, checks } = counting()
    const { check: tree, key } = await check(await token(), { keys, primitives })
    expect([tree.id, tree.outcome, key, checks()]).toEqual(['cca', 'passed', keys[1], 3])
    expect(Object.keys(findings(tree))).toEqual([
      'cca.format',
      'cca.platform',
      'cca.binding',
      'cca.realm',
      'cca.policy',
    ])
    const answered = await check(await token(), { nonce: new Uint8Array(64).fill(7) })
    expect([answered.check.outcome, Object.keys(findings(answered.check))]).toEqual([
      'passed',
      expect.arrayContaining(['cca.nonce']),
    ])
    const open = await check(await token(), { keys: [] })
    expect([open.check.outcome, open.key, skippedIn(open.check)]).toEqual(['skipped', undefined, ['cca.platform']])
  })

  it('fails at the check that does not hold, and at nothing else', async () => {
    const p256 = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])
    for (const [bytes, o, ...wanted] of [
      [Uint8Array.of(1), {}, 'cca.format UnknownType'],
      [await token({ platform: other! }), {}, 'cca.platform TokenSignatureInvalid'],
      [await token(), { keys: [await keyOf(other!)] }, 'cca.platform TokenSignatureInvalid'],
      [await token(), { keys: [await keyOf(p256)] }, 'cca.platform AlgorithmNotAllowed'],
      [await token({ realm: other! }), {}, 'cca.realm TokenSignatureInvalid'],
      [await token({ bound: new Uint8Array(48) }), {}, 'cca.binding BindingMismatch'],
      [await token(), { nonce: new Uint8Array(64) }, 'cca.nonce NonceMismatch'],
    ] as [Uint8Array, Given, ...string[]][]) {
      const { check: tree, key } = await check(bytes, o)
      expect([faults(tree), tree.outcome]).toEqual([wanted, 'failed'])
      if (wanted[0]!.startsWith('cca.platform')) expect(key).toBeUndefined()
    }
    const junk = await check(Uint8Array.of(1), { nonce: new Uint8Array(64) })
    expect(skippedIn(junk.check)).toEqual(['cca.platform', 'cca.binding', 'cca.realm', 'cca.nonce', 'cca.policy'])
  })

  it('names what it wanted and found', async () => {
    const named = async (bytes: Uint8Array, o: Given = {}): Promise<unknown[]> => {
      const found = leaves((await check(bytes, o)).check).find(({ outcome }) => outcome === 'failed')
      return [found?.expected, found?.actual]
    }
    const publicKey = new Uint8Array(await crypto.subtle.exportKey('raw', realm!.publicKey))
    expect(await named(await token({ bound: new Uint8Array(48) }))).toEqual([
      toHex(await digest('SHA-384', publicKey)),
      '00'.repeat(48),
    ])
    expect(await named(await token(), { nonce: new Uint8Array(64) })).toEqual(['00'.repeat(64), '07'.repeat(64)])
  })

  it('is judged so as a file, by the key that was given as one, and by no key of nobody', async () => {
    const pem = async (key: CryptoKeyPair): Promise<string> =>
      toPem([new Uint8Array(await crypto.subtle.exportKey('spki', key.publicKey))], 'PUBLIC KEY')
    const file = { 't.cbor': await token() }
    const own = { ...file, 'a.pem': await pem(platform!) }
    const of = async (files: Files, nonce?: Uint8Array): Promise<string[]> =>
      await verdict(files, nonce && { policy: { tpm: { nonce } } })
    expect(await of(own)).toEqual(['unendorsed'])
    expect(await of(own, new Uint8Array(64).fill(7))).toEqual(['unendorsed'])
    expect(await of(own, new Uint8Array(64))).toEqual(['refused', 'cca.nonce NonceMismatch'])
    expect(await of(file)).toEqual(['unjudged', 'cca.platform skipped'])
    const primitives = { ...webPrimitives, verify: () => false }
    expect((await judgeFiles(own, { anchors: none, at: now, primitives })).verdict).toBe('refused')
    expect(await of({ ...own, 'b.pem': await pem(other!) })).toEqual(['refused', 'file.used BindingMismatch'])
    // A key of a kind that no platform uses is invalid.
    const ed25519 = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }) as string
    const unused = ['unjudged', 'cca.platform skipped', 'file.used skipped']
    expect(await of({ ...file, 'e.pem': ed25519 })).toEqual(unused)
    expect(await of({ ...file, 'b.pem': await pem(other!) })).toEqual([
      'refused',
      'cca.platform TokenSignatureInvalid',
      'file.used BindingMismatch',
    ])
  })

  it.each([
    [0x2fff, false],
    [0x3000, true],
    [0x30ff, true],
    [0x3100, false],
  ])('of a platform in state %i is taken: %s', async (lifecycle, taken) => {
    const fault = ['policy.lifecycle', 'Forbidden', 'secured (0x3000 to 0x30ff)', `0x${lifecycle.toString(16)}`]
    expect(rules((await check(await token({ lifecycle }))).check)).toEqual(taken ? [] : [fault])
  })
})

describe('checkSvsm', () => {
  const nonce = Uint8Array.of(9, 9)
  const services = [Uint8Array.of(1), utf8('key')]
  const manifest = ((): Uint8Array => {
    const size = services.reduce((sum, { length }) => sum + 24 + length, 24)
    const writer = new ByteWriter().bytes(svsmManifestGuid).u32le(size).u32le(services.length)
    let offset = 24 * (services.length + 1)
    for (const [index, data] of services.entries()) {
      writer
        .bytes(new Uint8Array(16).fill(index + 1))
        .u32le(offset)
        .u32le(data.length)
      offset += data.length
    }
    return writer.bytes(concat(...services)).finish()
  })()
  let report: SnpReport
  let amd: Hierarchy
  beforeAll(async () => {
    amd = await openHierarchy()
    const bound = await digest('SHA-512', concat(nonce, manifest))
    report = parseSnpReport(await issueReport(amd.vcek, (bytes) => bytes.set(bound, 0x50)))
  })

  it('is judged so as a file, beside the report', async () => {
    const { vcek, ask, ark } = await issueChain(amd)
    const own = { 'm.bin': manifest, 'r.bin': report.raw, 'chain.pem': toPem([vcek, ask, ark]) }
    const anchors = { ...none, amd: [{ name: 'forged', spkiSha256: await spkiPin(amd.ark) }] }
    const of = async (files: Files, asked?: Uint8Array): Promise<string[]> =>
      await verdict(files, { anchors, ...(asked && { policy: { tpm: { nonce: asked } } }) })
    expect(await of(own, nonce)).toEqual(['accepted'])
    expect(await of(own)).toEqual(['unjudged', 'svsm.binding skipped'])
    expect(await of(own, Uint8Array.of(9))).toEqual(['refused', 'svsm.binding BindingMismatch'])
    expect(await of({ 'm.bin': manifest }, nonce)).toEqual(['unjudged', 'svsm.binding skipped'])
    const broken = Uint8Array.from(report.raw)
    broken[10] = 0
    const found = await of({ 'm.bin': manifest, 'r.bin': broken }, nonce)
    expect(found.filter((each) => !/^snp\..* skipped$/.test(each))).toEqual([
      'refused',
      'snp.format InvalidValue',
      'svsm.binding skipped',
    ])
  })

  it('is bound with the challenge by a report that was given', async () => {
    const tree = await checkSvsm({ manifest, nonce, reports: [report] })
    const guid = (digit: number): string => '########-####-####-####-############'.replaceAll('##', `0${digit}`)
    expect([tree.id, tree.outcome, findings(tree)]).toEqual([
      'svsm',
      'passed',
      { 'svsm.format': `${guid(1)}, ${guid(2)}`, 'svsm.binding': undefined },
    ])
    for (const o of [
      { nonce: undefined, reports: [report] },
      { nonce, reports: [] },
    ]) {
      const open = await checkSvsm({ manifest, ...o })
      expect([open.outcome, skippedIn(open)]).toEqual(['skipped', ['svsm.binding']])
    }
    expect(faults(await checkSvsm({ manifest, nonce: Uint8Array.of(9), reports: [report] }))).toEqual([
      'svsm.binding BindingMismatch',
    ])
    const junk = await checkSvsm({ manifest: manifest.subarray(1), nonce, reports: [report] })
    expect([faults(junk), skippedIn(junk)]).toEqual([['svsm.format WrongMagic'], ['svsm.binding']])
  })
})
