import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { verifyFiles, type Files } from './support/verify-files.ts'

const at = new Date('2026-06-01T12:00:00Z')
const seconds = at.getTime() / 1000
const trustee = 'tag:github.com,2024:confidential-containers/Trustee'
const veraison = 'tag:github.com,2023:veraison/ear'
const verifier = { developer: 'https://example.test', build: 'attestation-service 0.1.0' }

describe('attestation results (EAR) of Veraison and Trustee', () => {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwkOf = ({ publicKey }: { publicKey: KeyObject }): object => publicKey.export({ format: 'jwk' })
  const pemOf = ({ publicKey }: { publicKey: KeyObject }): string =>
    String(publicKey.export({ type: 'spki', format: 'pem' }))
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ear-'))
    await writeFile(join(folder, 'anchors.json'), JSON.stringify({ simulated: false, amd: [], intel: [] }))
  })
  afterAll(async () => rm(folder, { recursive: true }))
  afterEach(() => (process.exitCode = 0))

  const result = (
    claims: object = {},
    o: { key?: KeyObject; header?: object; status?: unknown; profile?: string } = {},
  ): Promise<string> =>
    new SignJWT({
      eat_profile: o.profile ?? trustee,
      iat: seconds - 60,
      exp: seconds + 60,
      'ear.verifier-id': verifier,
      submods: { cpu0: { 'ear.status': 'status' in o ? o.status : 'affirming', 'ear.appraisal-policy-id': 'default' } },
      ...claims,
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', ...o.header })
      .sign(o.key ?? own.privateKey)
  const verify = async (token: string, keys: Files, policy?: object): Promise<[number, string, string]> => {
    if (policy !== undefined) await writeFile(join(folder, 'policy.json'), JSON.stringify(policy))
    const options = policy === undefined ? {} : { policy: join(folder, 'policy.json') }
    return verifyFiles({ folder, at }, { 'token.jwt': token, ...keys }, options as Record<string, string>)
  }
  const outcome = async (...o: Parameters<typeof verify>): Promise<[number, string]> => {
    const [exit, code] = await verify(...o)
    return [exit, code]
  }

  it('are accepted by a pinned key, as PEM, JWK or key set, and say who appraised (attack E31)', async () => {
    const kid = { kid: 'one' }
    const forms: [Files, object][] = [
      [{ 'key.pem': pemOf(own) }, {}],
      [{ 'key.json': jwkOf(own) }, {}],
      [{ 'keys.json': { keys: [jwkOf(own)] } }, {}],
      [
        {
          'keys.json': {
            keys: [
              { ...jwkOf(other), kid: 'two' },
              { ...jwkOf(own), ...kid },
            ],
          },
        },
        kid,
      ],
    ]
    for (const profile of [trustee, veraison, 'tag:ietf.org,2026:rats/ear'])
      for (const [keys, header] of forms)
        expect(await outcome(await result({}, { profile, header }), keys)).toEqual([0, 'accepted'])
    const [, , text] = await verify(await result(), { 'key.pem': pemOf(own) })
    expect(text).toContain('verifier: https://example.test, attestation-service 0.1.0')
    expect(text).toContain('appraisal: submods.cpu0.ear.status "affirming"')
  })

  it('are not believed by a key in their header, by another key, or by one of several without a name (attack E31)', async () => {
    const token = await result({}, { header: { jwk: jwkOf(own) } })
    const [exit, , text] = await verify(token, {})
    expect([exit, text.includes('this is an attestation result (EAR); get its verifier’s public key')]).toEqual([
      2,
      true,
    ])
    expect(await outcome(token, { 'key.pem': pemOf(other) })).toEqual([1, 'TokenSignatureInvalid'])
    const forged = await result({}, { key: other.privateKey, header: { jwk: jwkOf(other) } })
    expect(await outcome(forged, { 'key.pem': pemOf(own) })).toEqual([1, 'TokenSignatureInvalid'])
    const two = { 'keys.json': { keys: [jwkOf(own), jwkOf(other)] } }
    expect(await outcome(await result(), two)).toEqual([1, 'TokenKeyUnknown'])
    const hidden = { 'keys.json': { keys: [{ ...own.privateKey.export({ format: 'jwk' }) }] } }
    expect(await outcome(await result(), hidden)).toEqual([1, 'TokenKeyNotAllowed'])
  })

  it('are refused unless every submodule is affirming, or the policy names its status (attack E31)', async () => {
    const keys = { 'key.pem': pemOf(own) }
    for (const status of ['warning', 'contraindicated', 'none', 0, 32, 96, true, null])
      expect([status, ...(await outcome(await result({}, { status }), keys))]).toEqual([status, 1, 'Forbidden'])
    expect(await outcome(await result({}, { status: 2 }), keys)).toEqual([0, 'accepted'])
    for (const submods of [{}, [], null, { cpu0: { 'ear.status': 'affirming' }, gpu0: { 'ear.status': 'none' } }])
      expect(await outcome(await result({ submods }), keys)).toEqual([1, 'Forbidden'])
    const policy = { token: { claims: { 'submods.cpu0.ear.status': 'warning' } } }
    expect(await outcome(await result({}, { status: 'warning' }), keys, policy)).toEqual([0, 'accepted'])
    expect(await outcome(await result(), keys, policy)).toEqual([1, 'NotEqual'])
  })

  it('end: without exp they count for as long as the policy says (attack E31)', async () => {
    const keys = { 'key.pem': pemOf(own) }
    const endless = await result({ exp: undefined })
    const aged = (maximumAge: number): object => ({ token: { maximumAge } })
    expect(await outcome(endless, keys)).toEqual([1, 'TokenClaimMissing'])
    expect(await outcome(endless, keys, aged(61))).toEqual([0, 'accepted'])
    expect(await outcome(endless, keys, aged(60))).toEqual([1, 'TokenExpired'])
    expect(await outcome(await result(), keys, aged(60))).toEqual([1, 'TokenExpired'])
    expect(await outcome(await result({ iat: undefined }), keys, aged(600))).toEqual([1, 'TokenClaimMissing'])
  })

  it('are of the issuer that the policy names, and need not name one without a policy', async () => {
    const keys = { 'key.pem': pemOf(own) }
    const issued = await result({ iss: 'CoCo-Attestation-Service' })
    const policy = (issuer: string): object => ({ token: { issuer } })
    expect(await outcome(issued, keys, policy('CoCo-Attestation-Service'))).toEqual([0, 'accepted'])
    expect(await outcome(issued, keys, policy('another'))).toEqual([1, 'TokenIssuerMismatch'])
    expect(await outcome(await result(), keys, policy('another'))).toEqual([1, 'TokenIssuerMismatch'])
    expect(await outcome(await result({}, { header: { jku: 'https://x/certs' } }), keys)).toEqual([
      1,
      'TokenIssuerMismatch',
    ])
  })

  it('without a signature are named as such', async () => {
    const claims = { eat_profile: trustee, 'ear.verifier-id': verifier, submods: {} }
    const [exit, , text] = await verifyFiles({ folder, at }, { 'claims.json': claims })
    expect([exit, text.includes('an attestation result (EAR) without its signature')]).toEqual([2, true])
  })
})
