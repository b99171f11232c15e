import { webcrypto } from 'node:crypto'
import {
  genuineAmdAnchors,
  genuineIntelAnchors,
  policyStatementClaims,
  verifyToken,
  type Jwk,
} from '@strongroom/evidence'
import { CompactSign, decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { selfSignedCertificate } from './keys/certificate.ts'
import { defaultPolicies } from './policy/defaults.ts'
import { policyHash, unsignedPolicyJws } from './policy/stored-policy.ts'
import { tpmIsThere } from './testing/guest-tpm.ts'
import { guestBody, guestPath, TestGuest, testAuthority } from './testing/guest.ts'
import {
  boundTo,
  chainPem,
  claimsOf,
  FakeCollateral,
  firmwareIsThere,
  openService,
  ownerObjectId,
  runtimeClaims,
  serveCollateral,
  silicon,
  snpBody,
  snpReport,
  type Answer,
  type TestService,
} from './testing/harness.ts'
import { askChallenge, sendTpm } from './testing/tpm-client.ts'

const query = '?api-version=2022-08-01'
const [snpPath, policyPath] = [`/attest/SevSnpVm${query}`, `/policies/SevSnpVm${query}`]
const owner = { token: ownerObjectId, contentType: 'text/plain' }
const b64 = (bytes: Uint8Array | string): string => Buffer.from(bytes as string).toString('base64url')

/** The attacks of docs/proof/attacks.md on an attestation service as a whole, tried by a client that has only the wire. */
describe.skipIf(!firmwareIsThere || !tpmIsThere)('an attacker with the wire', () => {
  let test: TestService
  let body: Record<string, unknown>
  let authority: Awaited<ReturnType<typeof testAuthority>>
  let guest: TestGuest

  beforeAll(async () => {
    authority = await testAuthority()
    test = await openService({
      anchors: (await silicon()).anchors,
      attestationKeyAuthorities: [authority.caPem],
    })
    await serveCollateral(test.collateral, await silicon())
    body = snpBody(await snpReport(), { pem: await chainPem() })
    guest = await TestGuest.boot({ authority, vmId: 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE' })
  }, 240_000)
  afterAll(async () => {
    await guest?.close()
    await test?.close()
    await authority?.remove()
  })

  const expectRefused = (answer: Answer, name: string): void => {
    expect([name, answer.status]).toEqual([name, 400])
    expect(answer.body.error.code, name).not.toBe('InternalError')
  }
  const setPolicy = async (payload: string): Promise<Answer> =>
    await test.call('PUT', policyPath, { ...owner, payload })

  it('gets nothing for what the service itself has signed, handed back as evidence, challenge or policy (attack K3)', async () => {
    const { token } = (await test.post(snpPath, body)).body as { token: string }
    const { token: policyResult } = (await setPolicy(unsignedPolicyJws(defaultPolicies.SevSnpVm))).body as {
      token: string
    }
    const sealed = (await test.post(guestPath, guestBody(await guest.parts()))).body as { token: string }
    const issued = await askChallenge(test)
    const own = { token, policyResult, sealed: sealed.token, ...issued }
    const parts = await guest.parts()
    for (const [name, text] of Object.entries(own)) {
      const inner = b64(JSON.stringify({ SnpReport: text, VcekCertChain: b64(await chainPem()) }))
      expectRefused(await test.post(snpPath, { ...body, report: text }), name)
      expectRefused(await test.post(snpPath, { ...body, report: inner }), name)
      expectRefused(await test.post(snpPath, { ...body, runtimeData: { data: b64(text), dataType: 'Binary' } }), name)
      expectRefused(await test.post(`/attest/TdxVm${query}`, { quote: text, runtimeData: body['runtimeData'] }), name)
      const isolation = { Type: 'SevSnp', Evidence: { Proof: text, RunTimeData: text } }
      expectRefused(await test.post(guestPath, guestBody({ ...parts, isolation })), name)
      expectRefused(await test.post(guestPath, { AttestationInfo: text }), name)
      expectRefused(await sendTpm(test, { payload: { request: text } }), name)
      expectRefused(await setPolicy(text), name)
    }
    expect((await test.post(snpPath, body)).status).toBe(200)
  })

  it('has no answer about policies pass for a token over evidence, nor the reverse, whatever a policy issues (attack K3)', async () => {
    const { keys } = (await test.call('GET', '/certs')).body as { keys: Jwk[] }
    const kindOf = async (token: string): Promise<string[]> => {
      const { iss } = decodeJwt(token)
      const judged = (['attestation', 'policy'] as const).map(
        async (kind) =>
          await verifyToken({ token, keys, issuer: iss!, at: new Date(), kind }).then(
            () => kind,
            (error: { code: string }) => error.code,
          ),
      )
      return await Promise.all(judged)
    }
    // No policy can issue claims in the service's name.
    for (const name of policyStatementClaims) {
      const policy = `version=1.0;authorizationrules{=>permit();};issuancerules{=>issue(type="${name}", value="Updated");};`
      const { status, body: refused } = await setPolicy(unsignedPolicyJws(policy))
      expect([name, status, refused.error.code]).toEqual([name, 400, 'PolicyParsingError'])
    }
    const answers = [
      await setPolicy(unsignedPolicyJws(defaultPolicies.SevSnpVm)),
      await test.call('GET', policyPath, owner),
      await test.call('POST', `/policies/SevSnpVm:reset${query}`, owner),
    ]
    for (const { status, body: answer } of answers) {
      expect(status).toBe(200)
      expect(await kindOf((answer as { token: string }).token)).toEqual(['TokenOfAnotherKind', 'policy'])
    }
    const { token } = (await test.post(snpPath, body)).body as { token: string }
    expect(await kindOf(token)).toEqual(['attestation', 'TokenOfAnotherKind'])
    expect(decodeJwt(token)['x-ms-attestation-type']).toBe('sevsnpvm')
  })

  it('sets no policy in a signer’s name: by an algorithm not the key’s, or a certificate that did not sign (attacks K4, K6)', async () => {
    const signer = async (name: 'RSASSA-PKCS1-v1_5' | 'RSA-PSS') => {
      const algorithm = { name, hash: 'SHA-256', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) }
      const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair
      return keys.privateKey
    }
    const certificateOf = (privateKey: webcrypto.CryptoKey): string => {
      const times = { notBefore: new Date(0), notAfter: new Date('2050-01-01') }
      return Buffer.from(selfSignedCertificate({ issuer: 'signer', privateKey, ...times })).toString('base64')
    }
    const [victim, attacker] = [await signer('RSASSA-PKCS1-v1_5'), await signer('RSASSA-PKCS1-v1_5')]
    const [theirs, his] = [certificateOf(victim), certificateOf(attacker)]
    const payload = JSON.stringify({ AttestationPolicy: b64(defaultPolicies.SevSnpVm) })
    const signed = async (key: webcrypto.CryptoKey, x5c: string[], alg = 'RS256', more = {}): Promise<string> =>
      await new CompactSign(new TextEncoder().encode(payload)).setProtectedHeader({ alg, x5c, ...more }).sign(key)
    const good = await signed(victim, [theirs])
    const [, claims, signature] = good.split('.') as [string, string, string]
    const said = (alg: string): string => `${b64(JSON.stringify({ alg, x5c: [theirs] }))}.${claims}.${signature}`
    const forged: Record<string, string> = {
      'the victim’s certificate over the attacker’s signature': await signed(attacker, [theirs]),
      'the victim’s first, the attacker’s behind it': await signed(attacker, [theirs, his]),
      'a key beside the certificate': await signed(attacker, [theirs], 'RS256', {
        jwk: await webcrypto.subtle.exportKey('jwk', attacker).then(({ kty, n, e }) => ({ kty, n, e })),
      }),
      'none said': said('none'),
      'HS256 said': said('HS256'),
      'PS256 said': said('PS256'),
      'RS512 said': said('RS512'),
      'ES256 said': said('ES256'),
    }
    for (const [name, text] of Object.entries(forged)) expectRefused(await setPolicy(text), name)
    expect((await setPolicy(good)).status).toBe(200)
    await test.call('POST', `/policies/SevSnpVm:reset${query}`, owner)
  })

  it('finds no service that was started without a root to trust, or with a vendor’s for a simulated one (attack K5)', async () => {
    const none = { simulated: true, amd: [], intel: [] }
    const vendors = { simulated: true, amd: [...genuineAmdAnchors], intel: [...genuineIntelAnchors] }
    for (const anchors of [none, vendors])
      await expect(openService({ anchors })).rejects.toMatchObject({ code: 'TrustAnchorsMissing' })
  })

  it('gets each token by the one policy whose hash stands in it and in the record, however he swaps policies (attack K9)', async () => {
    const texts = ['a', 'b'].map(
      (name) => `version=1.2;authorizationrules{=>permit();};issuancerules{=>issue(type="of", value="${name}");};`,
    )
    const [first, second] = texts.map((text) => unsignedPolicyJws(text)) as [string, string]
    const hashes = new Map(texts.map((text, index) => [policyHash(text), index === 0 ? 'a' : 'b']))
    await setPolicy(first)
    const swapping = (async () => {
      for (const each of [second, first, second, first]) expect((await setPolicy(each)).status).toBe(200)
    })()
    const answers = await Promise.all(Array.from({ length: 12 }, async () => await test.post(snpPath, body)))
    await swapping
    answers.push(await test.post(snpPath, body))
    const ids = new Map(answers.map((answer) => [claimsOf(answer)['jti'], claimsOf(answer)]))
    for (const claims of ids.values()) expect(hashes.get(String(claims['x-ms-policy-hash']))).toBe(claims['of'])
    const kept = (await test.call('GET', '/decisions?api-version=2025-06-01&$top=13', { token: ownerObjectId })).body
    const decisions = kept.value as { tokenId: string; policyHash: string }[]
    expect(decisions.map(({ tokenId }) => tokenId).toSorted()).toEqual([...ids.keys()].map(String).toSorted())
    for (const { tokenId, policyHash: hash } of decisions) expect(hash).toBe(ids.get(tokenId)!['x-ms-policy-hash'])
    await test.call('POST', `/policies/SevSnpVm:reset${query}`, owner)
  })

  it('passes no statement of a TPM for one of another kind, nor one whose magic, type, time or nonce he changed (attack V3)', async () => {
    const parts = await guest.parts({ nonce: 'signed', signNonce: true })
    // Both are signed by this VM's attestation key, but swapped.
    const { message, signature } = parts.key
    expectRefused(
      await test.post(guestPath, guestBody({ ...parts, quote: { message, signature } })),
      'a key for a quote',
    )
    const key = { ...parts.key, ...parts.quote }
    expectRefused(await test.post(guestPath, guestBody({ ...parts, key })), 'a quote for a key')
    for (const [name, at] of [
      ['magic', 0],
      ['type', 5],
      ['signer', 8],
      ['nonce', 44],
      ['digest', parts.quote.message.length - 1],
    ] as const) {
      const changed = Uint8Array.from(parts.quote.message)
      changed[at]! ^= 1
      const quote = { ...parts.quote, message: changed }
      const answer = await test.post(guestPath, guestBody({ ...parts, quote }))
      expectRefused(answer, name)
      expect(answer.body.error.target, name).toBe('TpmInfo.PcrQuote')
    }
    expect((await test.post(guestPath, guestBody(parts))).status).toBe(200)
  })

  it.each([
    ['zeros', '00000000-0000-0000-0000-000000000000'],
    ['nothing', ''],
    ['a number', 0],
    ['no id', 'AAAAAAAA'],
  ])('is not called compliant as the VM whose id is %s (attack Q9)', async (_name, vmUniqueId) => {
    const configuration = { ...(runtimeClaims['vm-configuration'] as object), vmUniqueId }
    const runtime = new TextEncoder().encode(JSON.stringify({ ...runtimeClaims, 'vm-configuration': configuration }))
    const report = await snpReport({ reportData: boundTo(runtime) })
    const answer = await test.post(snpPath, snpBody(report, { pem: await chainPem(), runtime }))
    expectRefused(answer, String(vmUniqueId))
    expect(answer.body.error.code).toBe('PolicyEvaluationError')
    expect(JSON.stringify(answer.body.error.details)).toContain('vmUniqueId')
  })

  it('has no init-time data taken where the hardware’s field for it is zero (attack Q9)', async () => {
    for (const data of ['', '{}', '{"policy":1}']) {
      const answer = await test.post(snpPath, { ...body, initTimeData: { data: b64(data), dataType: 'Binary' } })
      expectRefused(answer, data)
      expect(answer.body.error.target).toContain('initTimeData')
    }
  })

  it('makes many requests one call each to the vendor’s service, and none afterwards (attack Q11)', async () => {
    const collateral = new FakeCollateral()
    await serveCollateral(collateral, await silicon())
    const fresh = await openService({ anchors: (await silicon()).anchors, collateral })
    try {
      const bare = snpBody(await snpReport())
      const answers = await Promise.all(Array.from({ length: 40 }, async () => await fresh.post(snpPath, bare)))
      expect(answers.map(({ status }) => status)).toEqual(Array(40).fill(200))
      expect(decodeJwt(answers[0]!.body.token)['x-ms-attestation-type']).toBe('sevsnpvm')
      expect(collateral.asked.toSorted()).toEqual([...new Set(collateral.asked)].toSorted())
    } finally {
      await fresh.close()
    }
  })
})
