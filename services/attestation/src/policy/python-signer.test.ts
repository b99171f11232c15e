import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, sign, X509Certificate, webcrypto, type KeyObject } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { selfSignedCertificate } from '../keys/certificate.ts'
import { sharedProvider, type Provider } from '../providers/providers.ts'
import { readPolicyCertificate } from './policy-certificate.ts'
import type { PolicyCertificates } from './policy-certificates.ts'
import { requireSigner } from './signer.ts'
import { openEnvelope } from './stored-policy.ts'

const now = (): Date => new Date()
const isolated: Provider = { ...sharedProvider, trustModel: 'Isolated' }
const body = '{"AttestationPolicy": "dmVyc2lvbj0xLjA7"}'
const part = (text: string): string => Buffer.from(text).toString('base64url')

interface Signer {
  key: KeyObject
  /** Base64 of DER. */
  certificate: string
}

async function signer(name: string, key?: KeyObject): Promise<Signer> {
  const own = key ?? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const pkcs8 = own.export({ format: 'der', type: 'pkcs8' })
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const privateKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign'])
  const times = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date('2050-01-01') }
  const der = selfSignedCertificate({ issuer: name, privateKey, ...times })
  return { key: own, certificate: Buffer.from(der).toString('base64') }
}

/** As `AttestationToken` of azure-security-attestation signs: Python's JSON, no typ, the certificate within `jwk`. */
function ofPython({ key, certificate }: Signer, o: { header?: string; body?: string } = {}): string {
  const header = o.header ?? `{"alg": "RSA256", "jwk": {"x5c": ["${certificate}"]}}`
  const input = `${part(header)}.${part(o.body ?? body)}`
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
}

/** A certificate that is not an authority, under a root that is. */
function underAuthority(): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-chain-'))
  try {
    const run = (...args: string[]): Buffer => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
    const key = ['-newkey', 'rsa:2048', '-nodes']
    run(
      'req',
      '-x509',
      ...key,
      '-subj',
      '/CN=root',
      '-addext',
      'basicConstraints=critical,CA:TRUE',
      '-keyout',
      'root.key',
      '-out',
      'root.pem',
    )
    run('req', ...key, '-subj', '/CN=leaf', '-keyout', 'leaf.key', '-out', 'leaf.csr')
    run('x509', '-req', '-in', 'leaf.csr', '-CA', 'root.pem', '-CAkey', 'root.key', '-days', '2', '-out', 'leaf.pem')
    return ['leaf.pem', 'root.pem'].map((name) =>
      new X509Certificate(readFileSync(join(folder, name))).raw.toString('base64'),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const registered = (...signers: Signer[]): PolicyCertificates =>
  ({
    list: async () => signers.map(({ certificate }) => readPolicyCertificate({ x5c: [certificate] }, now(), 'x').jwk),
  }) as unknown as PolicyCertificates

describe("a JWS of Azure's SDK for Python", () => {
  let mine: Signer
  let other: Signer

  beforeAll(async () => {
    mine = await signer('mine')
    other = await signer('other')
  })

  it('is signed by the certificate within jwk, under the name RSA256', () => {
    const { payload, signer: found } = openEnvelope(ofPython(mine))
    expect(Buffer.from(payload).toString()).toBe(body)
    expect(found!.certificate.raw.toString('base64')).toBe(mine.certificate)
    expect(found!.jwk).toMatchObject({ kty: 'RSA', alg: 'RS256', x5c: [mine.certificate] })
    // A reset has no body.
    expect(openEnvelope(ofPython(mine, { body: '' })).payload).toHaveLength(0)
    expect(
      openEnvelope(ofPython(mine, { header: `{"alg":"RSA256","x5c":["${mine.certificate}"]}` })).signer,
    ).toBeDefined()
  })

  it.each<[name: string, header: () => string]>([
    ['another certificate within jwk', () => `{"alg":"RSA256","jwk":{"x5c":["${other.certificate}"]}}`],
    [
      'another first, its own behind',
      () => `{"alg":"RSA256","jwk":{"x5c":["${other.certificate}","${mine.certificate}"]}}`,
    ],
    ['its certificate within jwk under RS256', () => `{"alg":"RS256","jwk":{"x5c":["${mine.certificate}"]}}`],
    [
      'a key instead of a certificate',
      () => `{"alg":"RSA256","jwk":${JSON.stringify(mine.key.export({ format: 'jwk' }))}}`,
    ],
    ['no certificate', () => '{"alg":"RSA256","jwk":{"x5c":[]}}'],
    ['the name of another algorithm', () => `{"alg":"ECDH256","jwk":{"x5c":["${mine.certificate}"]}}`],
    ['rsa256 in lower case', () => `{"alg":"rsa256","jwk":{"x5c":["${mine.certificate}"]}}`],
    ['critical extensions', () => `{"alg":"RSA256","crit":["b64"],"b64":false,"jwk":{"x5c":["${mine.certificate}"]}}`],
  ])('is refused with %s', (_name, header) => {
    expect(() => openEnvelope(ofPython(mine, { header: header() }))).toThrow(/JWS/)
  })

  it('is refused with a certificate in both places, whichever signed', () => {
    for (const [x5c, jwk] of [
      [mine, other],
      [other, mine],
    ] as const) {
      const header = JSON.stringify({ alg: 'RSA256', x5c: [x5c.certificate], jwk: { x5c: [jwk.certificate] } })
      expect(() => openEnvelope(ofPython(mine, { header }))).toThrow('twice')
    }
  })

  it('is refused with another hash or padding, and with a changed body (attack K4)', () => {
    const [header, payload] = ofPython(mine).split('.') as [string, string]
    const input = Buffer.from(`${header}.${payload}`)
    const pss = sign('sha256', input, { key: mine.key, padding: 6 })
    for (const signature of [sign('sha384', input, mine.key), sign('sha1', input, mine.key), pss, Buffer.alloc(0)])
      expect(() => openEnvelope(`${header}.${payload}.${signature.toString('base64url')}`)).toThrow('does not verify')
    const [, , signature] = ofPython(mine).split('.')
    expect(() => openEnvelope(`${header}.${part('{}')}.${signature}`)).toThrow('does not verify')
  })

  it('is refused with a key that is not RSA of 2048 bits', async () => {
    const small = await signer('small', generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)
    expect(() => openEnvelope(ofPython(small))).toThrow('does not verify')
  })
})

describe('a signer whose certificate is not an authority', () => {
  it('counts exactly as registered: not with another certificate, even for the same key', async () => {
    const mine = await signer('mine')
    expect(new X509Certificate(Buffer.from(mine.certificate, 'base64')).ca).toBe(false)
    const o = { certificates: registered(await signer('first'), mine), now }
    await requireSigner(isolated, openEnvelope(ofPython(mine)), o)
    for (const foreign of [await signer('mine'), await signer('renewed', mine.key)])
      await expect(requireSigner(isolated, openEnvelope(ofPython(foreign)), o)).rejects.toMatchObject({
        code: 'InvalidOperation',
      })
  })

  it('vouches for no other certificate, and is signed by itself', async () => {
    const [one, two] = [await signer('one'), await signer('one')]
    for (const x5c of [
      [one.certificate, two.certificate],
      [one.certificate, one.certificate],
    ])
      expect(() => readPolicyCertificate({ x5c }, now(), 'x')).toThrow(/not valid/)
    expect(readPolicyCertificate({ x5c: underAuthority() }, now(), 'x').jwk.x5c).toHaveLength(2)
    const der = Buffer.from(one.certificate, 'base64')
    der[der.length - 1]! ^= 1
    expect(() => readPolicyCertificate({ x5c: [der.toString('base64')] }, now(), 'x')).toThrow(/not valid/)
    expect(() => readPolicyCertificate({ x5c: [one.certificate] }, new Date('2051-01-01'), 'x')).toThrow(/not valid/)
  })
})
