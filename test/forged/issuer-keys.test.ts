import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { authorityExtensions } from '@strongroom/der'
import { memoryKeyStore } from '@strongroom/silicon/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { issueCertificate, leafExtensions } from '../../packages/silicon/src/pki/certificate-writer.ts'
import { loadOrCreateKey } from '../../packages/silicon/src/pki/keys.ts'
import { spkiPin } from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import { made, now, until } from '../../packages/silicon/src/testing/times.ts'
import { type Files, verifyFiles } from '../corpus/support/verify-files.ts'

type Pair = ReturnType<typeof pair>

const pair = (): { publicKey: KeyObject; privateKey: KeyObject } => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const jwkOf = (key: Pair): object => key.publicKey.export({ format: 'jwk' })
const spkiOf = (key: Pair): Uint8Array => new Uint8Array(key.publicKey.export({ format: 'der', type: 'spki' }))
const pemOf = (key: Pair): string => key.publicKey.export({ format: 'pem', type: 'spki' }) as string
const pinOf = (key: Pair): string => createHash('sha256').update(spkiOf(key)).digest('hex')

/** An attestation result as Trustee signs it, with its key in the header if `header` has one. */
function result(key: Pair, header: object = {}): string {
  const seconds = Math.floor(now.getTime() / 1000)
  const claims = {
    eat_profile: 'tag:github.com,2024:confidential-containers/Trustee',
    iat: seconds - 60,
    exp: seconds + 3600,
    'ear.verifier-id': { developer: 'https://confidentialcontainers.org', build: '1' },
    submods: { cpu0: { 'ear.status': 'affirming' } },
  }
  const input = `${encode({ alg: 'ES256', typ: 'JWT', ...header })}.${encode(claims)}`
  const made64 = sign('sha256', Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${made64.toString('base64url')}`
}

describe('the key of a token’s issuer', { timeout: 120_000 }, () => {
  const [issuer, attacker] = [pair(), pair()]
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'issuer-keys-'))
    await writeFile(join(folder, 'anchors.json'), JSON.stringify({ simulated: false, amd: [], intel: [] }))
  })
  afterAll(async () => {
    process.exitCode = 0
    await rm(folder, { recursive: true })
  })

  const put = async (name: string, content: string): Promise<string> => {
    await writeFile(join(folder, name), content)
    return `@${join(folder, name)}`
  }
  const verify = async (files: Files, options: Record<string, string> = {}): Promise<[number, string]> => {
    const [exit, code] = await verifyFiles({ folder, at: now }, files, options)
    return [exit, code]
  }

  it('is the pinned one, or the token is refused, whatever key set was given with it (attack E34)', async () => {
    const keys = (key: Pair): string => JSON.stringify({ keys: [jwkOf(key)] })
    const forged = { 'token.jwt': result(attacker), 'keys.json': keys(attacker) }
    // Without a pin, the keys that were given count as the issuer's.
    expect(await verify(forged)).toEqual([0, 'accepted'])
    const pins = [pinOf(issuer), pinOf(issuer).toUpperCase(), await put('issuer.pem', pemOf(issuer))]
    for (const issuerKey of [
      ...pins,
      await put('set.json', keys(issuer)),
      await put('key.jwk', JSON.stringify(jwkOf(issuer))),
    ]) {
      expect(await verify({ 'token.jwt': result(issuer), 'keys.json': keys(issuer) }, { issuerKey })).toEqual([
        0,
        'accepted',
      ])
      const [exit, code] = await verify(forged, { issuerKey })
      // The pinned key verifies where it was given, and did not sign this.
      expect([exit, code]).toEqual([1, issuerKey.startsWith('@') ? 'TokenSignatureInvalid' : 'TokenKeyNotAllowed'])
    }
  })

  it('is used from the file that pins it, and counts from the token alone where it is pinned (attack E34)', async () => {
    const own = { 'token.jwt': result(issuer, { jwk: jwkOf(issuer) }) }
    const theirs = { 'token.jwt': result(attacker, { jwk: jwkOf(attacker) }) }
    expect(await verify({ 'token.jwt': result(issuer) }, { issuerKey: await put('a.pem', pemOf(issuer)) })).toEqual([
      0,
      'accepted',
    ])
    expect(await verify(own)).toEqual([2, 'unjudged'])
    expect(await verify(own, { issuerKey: pinOf(issuer) })).toEqual([0, 'accepted'])
    expect(await verify(theirs, { issuerKey: pinOf(issuer) })).toEqual([1, 'TokenKeyNotAllowed'])
    const [header, payload] = own['token.jwt'].split('.')
    const exchanged = { 'token.jwt': `${header}.${payload}.${theirs['token.jwt'].split('.')[2]}` }
    expect(await verify(exchanged, { issuerKey: pinOf(issuer) })).toEqual([1, 'TokenSignatureInvalid'])
  })

  it('is certified by a root that the policy names, or the token is refused (attack E34)', async () => {
    const root = await loadOrCreateKey(memoryKeyStore(), 'root', 'ecdsa-p256-sha256')
    const issue = async (name: string, subjectKey: Uint8Array, extensions = leafExtensions()): Promise<string> => {
      const times = { notBefore: made, notAfter: until }
      const [subject, by] = [name, 'Root'].map((each) => [['CN', each]] as [['CN', string]])
      const o = { serialNumber: 1n, subject: subject!, issuer: by!, subjectKey, signer: root, extensions, ...times }
      return Buffer.from(await issueCertificate(o)).toString('base64')
    }
    const leaf = await issue('Issuer', spkiOf(issuer))
    const top = await issue('Root', root.spki, authorityExtensions())
    const policy = (pin: string): Promise<string> =>
      put('policy.json', JSON.stringify({ token: { roots: [{ name: 'root', spkiSha256: pin }] } }))
    const roots = { policy: (await policy(await spkiPin(root))).slice(1) }
    const token = (key: Pair, x5c?: string[]): Files => ({
      'token.jwt': result(key, { jwk: { ...jwkOf(key), ...(x5c === undefined ? {} : { x5c }) } }),
    })
    expect(await verify(token(issuer, [leaf, top]), roots)).toEqual([0, 'accepted'])
    const pem = `-----BEGIN CERTIFICATE-----\n${top}\n-----END CERTIFICATE-----\n`
    expect(await verify({ ...token(issuer, [leaf]), 'root.pem': pem }, roots)).toEqual([0, 'accepted'])
    expect(await verify(token(issuer, [leaf]), roots)).toEqual([1, 'UntrustedRoot'])
    expect(await verify(token(issuer), roots)).toEqual([1, 'Missing'])
    // RFC 7517, 4.7: the first certificate is of the key.
    expect(await verify(token(attacker, [leaf, top]), roots)).toEqual([1, 'TokenKeyNotAllowed'])
    const damaged = Buffer.from(leaf, 'base64')
    damaged[damaged.length - 1]! ^= 1
    expect(await verify(token(issuer, [damaged.toString('base64'), top]), roots)).toEqual([
      1,
      'CertificateSignatureInvalid',
    ])
    const certifier = await issue('Issuer', spkiOf(issuer), authorityExtensions())
    expect(await verify(token(issuer, [certifier, top]), roots)).toEqual([1, 'TokenKeyNotAllowed'])
    // Azure Attestation publishes keys as certificates alone.
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const certified = { kty: 'RSA', kid: 'k', x5c: [await issue('Issuer', spkiOf(rsa))] }
    const set = await put('set.json', JSON.stringify({ keys: [certified] }))
    const theirs = result(rsa, { alg: 'RS256', kid: 'k' })
    expect(await verify({ 'token.jwt': theirs }, { issuerKey: set })).toEqual([0, 'accepted'])
    expect(await verify({ 'token.jwt': result(issuer, { kid: 'k' }) }, { issuerKey: set })).toEqual([
      1,
      'TokenKeyNotAllowed',
    ])
    const others = { policy: (await policy('00'.repeat(32))).slice(1) }
    expect(await verify(token(issuer, [leaf, top]), others)).toEqual([1, 'UntrustedRoot'])
  })

  it('is found beside entries of a set that are no keys, and no certificate of theirs is followed', async () => {
    const junk = [{ kty: 'RSA', x5c: ['AAAA'] }, { kty: 'EC', crv: 'P-256', x: 1 }, { kty: 5 }]
    const keys = {
      keys: [...junk.map((key, index) => ({ ...key, kty: String(key.kty), kid: `${index}` })), jwkOf(issuer)],
    }
    const files = { 'token.jwt': result(issuer), 'keys.json': keys }
    expect(await verify(files, { issuerKey: pinOf(issuer) })).toEqual([0, 'accepted'])
    expect(await verify(files, { issuerKey: pinOf(attacker) })).toEqual([1, 'TokenKeyUnknown'])
  })

  it('is malformed as an option, or no key', async () => {
    const wrong = [
      '',
      'zz',
      '00'.repeat(31),
      await put('x', 'text'),
      await put('y', JSON.stringify({ keys: [{ kty: 'EC' }] })),
    ]
    for (const issuerKey of wrong)
      await expect(verify({ 'token.jwt': result(issuer) }, { issuerKey })).rejects.toMatchObject({
        code: 'InvalidArgument',
        exitCode: 2,
      })
  })

  it('is said as what is known: with no issuer expected, the token names one', async () => {
    const keys = { keys: [jwkOf(issuer)] }
    const [, , text] = await verifyFiles({ folder, at: now }, { 'token.jwt': result(issuer), 'keys.json': keys })
    expect(text).toContain('The token names its issuer; none was expected')
    expect(text).not.toContain('by the expected issuer')
  })
})
