import { createHash, webcrypto } from 'node:crypto'
import { CompactSign, createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { selfSignedCertificate } from '../keys/certificate.ts'
import { defaultPolicies } from '../policy/defaults.ts'
import { policyHash, unsignedPolicyJws } from '../policy/stored-policy.ts'
import {
  chainPem,
  claimsOf,
  firmwareIsThere,
  issuer,
  openService,
  ownerObjectId,
  serveCollateral,
  silicon,
  snpBody,
  snpReport,
  type TestService,
} from '../testing/harness.ts'

const path = '/policies/SevSnpVm?api-version=2022-08-01'
const resetPath = '/policies/SevSnpVm:reset?api-version=2022-08-01'
const denyAll = 'version=1.0;authorizationrules{=>deny();};'
const owner = { token: ownerObjectId, contentType: 'text/plain' }

describe('policies', () => {
  let test: TestService

  beforeAll(async () => {
    test = await openService({ anchors: (await silicon()).anchors })
    await serveCollateral(test.collateral, await silicon())
  })
  afterAll(() => test?.close())

  it('are shown and changed to nobody without a token of the owner', async () => {
    for (const [method, url] of [
      ['GET', path],
      ['PUT', path],
      ['POST', resetPath],
    ] as const) {
      const anonymous = await test.call(method, url)
      expect(anonymous.status).toBe(401)
      expect(anonymous.headers['www-authenticate']).toContain('https://attest.azure.net')
      const stranger = await test.call(method, url, { token: '99999999-9999-4999-8999-999999999999' })
      expect(stranger.status).toBe(403)
      expect(stranger.body.error).toMatchObject({
        code: 'Forbidden',
        innererror: { expected: expect.any(String), remedy: expect.any(String) },
      })
    }
  })

  it('are the compliant-only default until one is set, in a signed answer', async () => {
    const answer = await test.call('GET', path, { token: ownerObjectId })
    const { payload } = await jwtVerify(answer.body.token, createLocalJWKSet((await test.call('GET', '/certs')).body), {
      issuer,
    })
    expect(payload['x-ms-policy']).toBe(unsignedPolicyJws(defaultPolicies.SevSnpVm))
    expect(payload['x-ms-policy-token-hash']).toBe(
      createHash('sha256')
        .update(payload['x-ms-policy'] as string)
        .digest('base64url'),
    )
  })

  it('take effect when set, and are gone when reset', async () => {
    const jws = unsignedPolicyJws(denyAll)
    const put = await test.call('PUT', path, { ...owner, payload: jws })
    expect(claimsOf(put)).toMatchObject({ 'x-ms-policy-result': 'Updated' })
    expect(claimsOf(await test.call('GET', path, owner))['x-ms-policy']).toBe(jws)
    if (firmwareIsThere) {
      const denied = await test.post(
        '/attest/SevSnpVm?api-version=2022-08-01',
        snpBody(await snpReport(), { pem: await chainPem() }),
      )
      expect(denied.status).toBe(400)
      expect(denied.body.error).toMatchObject({ code: 'PolicyEvaluationError', target: '=> deny();' })
    }
    const reset = await test.call('POST', resetPath, { ...owner, payload: '' })
    expect(claimsOf(reset)).toMatchObject({ 'x-ms-policy-result': 'Removed' })
    expect(claimsOf(await test.call('GET', path, owner))['x-ms-policy']).toBe(
      unsignedPolicyJws(defaultPolicies.SevSnpVm),
    )
  })

  it.skipIf(!firmwareIsThere)('decide validity and claims of the token', async () => {
    const text = `version=1.1;configurationrules{=>issueproperty(type="report_validity_in_minutes", value=15);};
      authorizationrules{[type=="x-ms-attestation-type", value=="sevsnpvm"]=>permit();};
      issuancerules{c:[type=="x-ms-sevsnpvm-vmpl"]=>issue(type="level", value=c.value);};`
    await test.call('PUT', path, { ...owner, payload: unsignedPolicyJws(text) })
    const answer = await test.post(
      '/attest/SevSnpVm?api-version=2022-08-01',
      snpBody(await snpReport(), { pem: await chainPem() }),
    )
    const claims = claimsOf(answer)
    expect(claims).toMatchObject({ level: 0, 'x-ms-policy-hash': policyHash(text) })
    expect(Number(claims['exp']) - Number(claims['iat'])).toBe(900)
    await test.call('POST', resetPath, owner)
  })

  it.skipIf(!firmwareIsThere)('see themselves, and choose what certificate the token carries', async () => {
    const header = async (properties: string): Promise<Record<string, unknown>> => {
      const text = `version=1.1;configurationrules{${properties}};
        authorizationrules{[type=="tee", value=="sevsnpvm"] && [type=="x-ms-ver", value=="1.0"]=>permit();};
        issuancerules{c:[type=="x-ms-policy-hash", issuer=="AttestationService"]=>issue(type="decided-by", value=c.value);};`
      await test.call('PUT', path, { ...owner, payload: unsignedPolicyJws(text) })
      const body = snpBody(await snpReport(), { pem: await chainPem() })
      const { token } = (await test.post('/attest/SevSnpVm?api-version=2022-08-01', body)).body
      expect(decodeJwt(token)).toMatchObject({ 'decided-by': policyHash(text), 'x-ms-policy-hash': policyHash(text) })
      return decodeProtectedHeader(token as string)
    }
    const [x5c] = (await test.call('GET', '/certs')).body.keys[0].x5c
    const x5t = createHash('sha1').update(Buffer.from(x5c, 'base64')).digest('base64url')
    expect(Object.keys(await header('')).toSorted()).toEqual(['alg', 'jku', 'kid', 'typ'])
    expect(await header('=>issueproperty(type="omit_x5c", value=true);')).toMatchObject({ x5t })
    expect(await header('=>issueproperty(type="omit_x5c", value=false);')).toMatchObject({ x5c: [x5c] })
    await test.call('POST', resetPath, owner)
  })

  it.skipIf(!firmwareIsThere)('permit a debuggable VM by naming the claim and never by permitting all', async () => {
    const body = snpBody(await snpReport({ policy: 0xb001fn }), { pem: await chainPem() })
    const permitAll = 'version=1.0;authorizationrules{=>permit();};'
    await test.call('PUT', path, { ...owner, payload: unsignedPolicyJws(permitAll) })
    const denied = await test.post('/attest/SevSnpVm?api-version=2022-08-01', body)
    expect(denied.body.error).toMatchObject({
      code: 'PolicyEvaluationError',
      innererror: { expected: expect.stringContaining('x-ms-sevsnpvm-is-debuggable') },
    })
    const byName = 'version=1.0;authorizationrules{[type=="x-ms-sevsnpvm-is-debuggable"]=>permit();};'
    await test.call('PUT', path, { ...owner, payload: unsignedPolicyJws(byName) })
    const claims = claimsOf(await test.post('/attest/SevSnpVm?api-version=2022-08-01', body))
    expect(claims['x-ms-sevsnpvm-is-debuggable']).toBe(true)
    expect(claims['x-ms-compliance-status']).toBeUndefined()
    await test.call('POST', resetPath, owner)
  })

  it('may be signed; the signer is kept and a wrong signature is refused', async () => {
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    const keys = (await webcrypto.subtle.generateKey(
      { ...algorithm, modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) },
      true,
      ['sign', 'verify'],
    )) as webcrypto.CryptoKeyPair
    const certificate = selfSignedCertificate({
      issuer: 'signer',
      privateKey: keys.privateKey,
      notBefore: new Date(0),
      notAfter: new Date('2050-01-01'),
    })
    const payload = JSON.stringify({ AttestationPolicy: Buffer.from(defaultPolicies.SevSnpVm).toString('base64url') })
    const jws = await new CompactSign(new TextEncoder().encode(payload))
      .setProtectedHeader({ alg: 'RS256', x5c: [Buffer.from(certificate).toString('base64')] })
      .sign(keys.privateKey)
    expect((await test.call('PUT', path, { ...owner, payload: jws })).status).toBe(200)
    expect(decodeJwt((await test.call('GET', path, owner)).body.token)['x-ms-policy-signer']).toMatchObject({
      kty: 'RSA',
      x5c: [expect.any(String)],
    })
    const [header, body, signature] = jws.split('.') as [string, string, string]
    const forged = `${header}.${Buffer.from(JSON.stringify({ AttestationPolicy: 'e30' })).toString('base64url')}.${signature}`
    expect((await test.call('PUT', path, { ...owner, payload: forged })).body.error.code).toBe('InvalidOperation')
    expect((await test.call('PUT', path, { ...owner, payload: `${header}.${body}.` })).body.error.code).toBe(
      'InvalidOperation',
    )
    await test.call('POST', resetPath, owner)
  })

  it.each([
    ['no JWS', 'version=1.0;', 'InvalidOperation'],
    ['nothing', '', 'InvalidOperation'],
    ['a signature on alg none', `${unsignedPolicyJws(denyAll)}AAAA`, 'InvalidOperation'],
    ['another algorithm', `${Buffer.from('{"alg":"HS256"}').toString('base64url')}.e30.AAAA`, 'InvalidOperation'],
    ['no policy in it', `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`, 'InvalidOperation'],
    [
      'a policy that cannot be read',
      unsignedPolicyJws('version=1.0;authorizationrules{=>permit()};'),
      'PolicyParsingError',
    ],
  ])('are not set from %s', async (_name, payload, code) => {
    const answer = await test.call('PUT', path, { ...owner, payload })
    expect(answer.status).toBe(400)
    expect(answer.body.error.code).toBe(code)
    expect(claimsOf(await test.call('GET', path, owner))['x-ms-policy']).toBe(
      unsignedPolicyJws(defaultPolicies.SevSnpVm),
    )
  })

  it('exist for the types that are attested', async () => {
    expect((await test.call('GET', '/policies/TdxVm?api-version=2020-10-01', owner)).status).toBe(200)
    expect((await test.call('GET', '/policies/SgxEnclave?api-version=2020-10-01', owner)).body.error.code).toBe(
      'AttestationTypeNotOffered',
    )
    expect((await test.call('GET', '/policies/SevSnpVm', owner)).body.error.code).toBe('MissingApiVersionParameter')
  })
})

describe('discovery', () => {
  it('publishes the keys with a certificate each, and where they are', async () => {
    const test = await openService({ anchors: (await silicon()).anchors })
    const { body } = await test.call('GET', '/certs')
    expect(body.keys).toEqual([
      {
        kid: expect.any(String),
        kty: 'RSA',
        alg: 'RS256',
        use: 'sig',
        n: expect.any(String),
        e: 'AQAB',
        x5c: [expect.any(String)],
      },
    ])
    const discovery = await test.call('GET', '/.well-known/openid-configuration')
    expect(discovery.body).toMatchObject({
      issuer,
      jwks_uri: `${issuer}/certs`,
      id_token_signing_alg_values_supported: ['RS256'],
    })
    await test.close()
  })
})
