import { namedBits, oid, sequence, authorityExtensions, type Extension } from '@strongroom/der'
import { createHash, sign as nodeSign } from 'node:crypto'
import { verifyCertifiedJws, verifyKeyRelease, type CertifiedJws } from '@strongroom/evidence'
import { generateKeyPairSync } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { spkiPin } from '../testing/amd-hierarchy.ts'
import { made, now, until } from '../testing/times.ts'
import { memoryKeyStore } from '../testing.ts'
import { issueCertificate, leafExtensions } from './certificate-writer.ts'
import { loadOrCreateKey, type SigningKey } from './keys.ts'

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const serverAuth = '1.3.6.1.5.5.7.3.1'
const purposes = (...oids: string[]): Extension => ({ oid: '2.5.29.37', value: sequence(...oids.map(oid)) })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const weak = generateKeyPairSync('rsa', { modulusLength: 2040 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const spkiOf = (pair: typeof rsa): Uint8Array => new Uint8Array(pair.publicKey.export({ format: 'der', type: 'spki' }))

type Rules = Parameters<typeof verifyCertifiedJws>[0]
interface Given {
  name?: string
  extensions?: Extension[]
  pair?: typeof rsa
  /** Signs instead of the certificate's key. */
  by?: typeof rsa
  header?: Record<string, unknown>
  rules?: Partial<Rules>
  at?: Date
  payload?: unknown
}

describe('a signed text that brings its certificates', () => {
  let root: SigningKey
  let rootDer: Uint8Array
  let pin: string
  beforeAll(async () => {
    root = await loadOrCreateKey(memoryKeyStore(), 'root', 'ecdsa-p256-sha256')
    pin = await spkiPin(root)
    rootDer = await issue('Root', root.spki, authorityExtensions())
  })
  const issue = (name: string, subjectKey: Uint8Array, extensions: Extension[]): Promise<Uint8Array> =>
    issueCertificate({
      serialNumber: 1n,
      subject: name === '' ? [['O', 'Nobody']] : [['CN', name]],
      issuer: [['CN', 'Root']],
      subjectKey,
      signer: root,
      extensions,
      notBefore: made,
      notAfter: until,
    })
  const given = async (o: Given): Promise<Rules> => {
    const pair = o.pair ?? rsa
    const leaf = await issue(o.name ?? 'vault.test', spkiOf(pair), o.extensions ?? leafExtensions())
    const x5c = [leaf, rootDer].map((der) => Buffer.from(der).toString('base64'))
    const thumbprint = (hash: string): string => createHash(hash).update(leaf).digest('base64url')
    const good = {
      alg: pair === ec ? 'ES384' : 'RS256',
      x5c,
      x5t: thumbprint('sha1'),
      'x5t#S256': thumbprint('sha256'),
    }
    const input = `${encode({ ...good, ...o.header })}.${encode(o.payload ?? { a: 1 })}`
    const key = (o.by ?? pair).privateKey
    const signature =
      pair === ec
        ? nodeSign('sha384', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
        : nodeSign('sha256', Buffer.from(input), key)
    return {
      roots: [
        { name: 'other', spkiSha256: '00'.repeat(32) },
        { name: 'mine', spkiSha256: pin },
      ],
      signer: 'vault.test',
      ...o.rules,
      jws: `${input}.${signature.toString('base64url')}`,
      at: o.at ?? now,
    }
  }
  const verify = async (o: Given = {}): Promise<CertifiedJws> => await verifyCertifiedJws(await given(o))

  it('is taken from the signer that was named, under a root that is trusted', async () => {
    const verified = await verify()
    expect(verified).toMatchObject({ algorithm: 'RS256', root: { name: 'mine', spkiSha256: pin } })
    expect(verified.chain.map((each) => each.subject.commonName)).toEqual(['vault.test', 'Root'])
    expect(Buffer.from(verified.jws.payload).toString()).toBe('{"a":1}')
    for (const good of [
      { rules: { signer: 'any' }, name: 'other.test' },
      { header: { x5t: undefined, 'x5t#S256': undefined, typ: 'JWT' } },
      { extensions: [leafExtensions()[0]!] },
      { extensions: [...leafExtensions(), purposes('1.2.3', serverAuth)], rules: { usage: serverAuth } },
      { pair: ec, rules: { algorithms: ['ES384' as const] } },
    ])
      expect((await verify(good)).root.name).toBe('mine')
  })

  const use = (facts: object): object => ({ code: 'CertificateNotForThisUse', subject: 'token', ...facts })
  it.each<[what: string, given: () => Given, wanted: object]>([
    ['another signer', () => ({ name: 'other.test' }), use({ expected: 'vault.test', found: 'other.test' })],
    ['a signer without a name', () => ({ name: '' }), use({ expected: 'vault.test', found: '' })],
    [
      'a signer for other uses',
      () => ({ extensions: [leafExtensions()[0]!, { oid: '2.5.29.15', value: namedBits([2, 3]) }] }),
      use({ expected: 'digitalSignature', found: 'keyEncipherment, dataEncipherment' }),
    ],
    [
      'a signer for another purpose',
      () => ({ extensions: [...leafExtensions(), purposes('1.2.3', '1.2.4')], rules: { usage: serverAuth } }),
      use({ expected: serverAuth, found: '1.2.3, 1.2.4' }),
    ],
    ['a signer for any purpose', () => ({ rules: { usage: serverAuth } }), use({ found: 'any use' })],
    ['another thumbprint', () => ({ header: { x5t: 'AAAA' } }), use({ expected: 'AAAA' })],
    ['another thumbprint of SHA-256', () => ({ header: { 'x5t#S256': 'AAAA' } }), use({ expected: 'AAAA' })],
    ['a thumbprint that is not text', () => ({ header: { x5t: 5 } }), use({ expected: '5' })],
    [
      'another key’s signature',
      () => ({ by: generateKeyPairSync('rsa', { modulusLength: 2048 }) }),
      { code: 'TokenSignatureInvalid', subject: 'token' },
    ],
    ['an algorithm that is not allowed', () => ({ rules: { algorithms: ['PS256'] } }), { code: 'AlgorithmNotAllowed' }],
    ['no algorithm', () => ({ header: { alg: 'none' } }), { code: 'AlgorithmNotAllowed' }],
    [
      'an algorithm for other keys',
      () => ({ header: { alg: 'ES384' }, rules: { algorithms: ['ES384'] } }),
      use({ expected: 'EC', found: 'RSA' }),
    ],
    [
      'an algorithm for RSA under a curve',
      () => ({ pair: ec, header: { alg: 'RS256' } }),
      use({ expected: 'RSA', found: 'EC' }),
    ],
    [
      'an algorithm for another curve',
      () => ({ pair: ec, header: { alg: 'ES256' }, rules: { algorithms: ['ES256'] } }),
      use({ expected: 'EC', found: 'EC' }),
    ],
    ['a weak key', () => ({ pair: weak }), { code: 'TokenKeyNotAllowed' }],
    ['a critical header', () => ({ header: { crit: ['x'] } }), { code: 'UnknownCriticalExtension' }],
    ['another kind of text', () => ({ header: { typ: 'x' } }), { code: 'TokenKeyNotAllowed' }],
    [
      'a root that is not trusted',
      () => ({ rules: { roots: [{ name: 'x', spkiSha256: '00'.repeat(32) }] } }),
      { code: 'UntrustedRoot' },
    ],
    ['no certificates', () => ({ header: { x5c: undefined } }), { code: 'Missing' }],
    ['an empty list of certificates', () => ({ header: { x5c: [] } }), { code: 'Missing' }],
    ['a text for its certificates', () => ({ header: { x5c: 'AAAA' } }), { code: 'Missing' }],
    ['seven certificates', () => ({ header: { x5c: Array.from({ length: 7 }, () => 'AAAA') } }), { code: 'Missing' }],
    [
      'six certificates that are none',
      () => ({ header: { x5c: Array.from({ length: 6 }, () => 'AAAA') } }),
      { code: 'UnknownType' },
    ],
    ['a number for a certificate', () => ({ header: { x5c: [5] } }), { code: 'InvalidEncoding' }],
    ['a time before it', () => ({ at: new Date(made.getTime() - 1000) }), { code: 'CertificateNotYetValid' }],
    ['a time after it', () => ({ at: new Date(until.getTime() + 1000) }), { code: 'CertificateExpired' }],
  ])('is refused with %s', async (_, o, wanted) => {
    await expect(verify(o())).rejects.toMatchObject(wanted)
  })

  it('takes certificates over several lines, as some write them', async () => {
    const { jws, ...rules } = await given({})
    const { x5c } = JSON.parse(Buffer.from(jws.split('.')[0]!, 'base64url').toString()) as { x5c: string[] }
    const lines = x5c.map((text) => text.replaceAll(/.{64}/g, '$&\r\n'))
    const input = `${encode({ alg: 'RS256', x5c: lines })}.${encode({})}`
    const signature = nodeSign('sha256', Buffer.from(input), rsa.privateKey).toString('base64url')
    expect((await verifyCertifiedJws({ ...rules, jws: `${input}.${signature}` })).chain).toHaveLength(2)
  })

  it('is an answer of a vault only where it holds a release', async () => {
    await expect(verifyKeyRelease(await given({}))).rejects.toMatchObject({ code: 'Missing' })
    const wrapped = { header: { kid: 'guest', enc: 'CKM_RSA_AES_KEY_WRAP' }, ciphertext: 'AQ' }
    const key = { kid: 'k', kty: 'RSA', key_hsm: encode(wrapped) }
    const payload = { request: {}, response: { key: { key, release_policy: { data: encode({}) } } } }
    expect(await verifyKeyRelease(await given({ payload }))).toMatchObject({
      release: { keyId: 'k' },
      root: { name: 'mine' },
    })
  })
})
