import { compactVerify, createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  boundTo,
  chainPem,
  claimsOf,
  firmwareIsThere,
  host,
  issuer,
  newSilicon,
  openService,
  runtimeBytes,
  runtimeClaims,
  serveCollateral,
  silicon,
  snpBody,
  snpReport,
  type TestService,
} from './testing/harness.ts'

const path = '/attest/SevSnpVm?api-version=2022-08-01'

describe.skipIf(!firmwareIsThere)('attesting an SNP VM', () => {
  let test: TestService
  let report: Uint8Array
  let pem: string

  beforeAll(async () => {
    const processor = await silicon()
    test = await openService({ anchors: processor.anchors })
    await serveCollateral(test.collateral, processor)
    report = await snpReport()
    pem = await chainPem()
  })
  afterAll(() => test?.close())

  it('gives a machine of the installation a signed token with flat claims', async () => {
    const answer = await test.post(path, snpBody(report, { pem, nonce: 'n-1' }))
    expect(answer.body).toEqual({ token: expect.any(String) })
    const token = (answer.body as { token: string }).token
    const jwks = await test.call('GET', '/certs')
    const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet(jwks.body), { issuer })
    expect(protectedHeader).toEqual({ alg: 'RS256', jku: `${issuer}/certs`, kid: jwks.body.keys[0].kid, typ: 'JWT' })
    expect(payload.exp! - payload.iat!).toBe(8 * 3600)
    expect(payload).toMatchObject({
      nonce: 'n-1',
      'x-ms-ver': '1.0',
      'x-ms-attestation-type': 'sevsnpvm',
      'x-ms-compliance-status': 'azure-compliant-cvm',
      'x-ms-runtime': runtimeClaims,
      'x-ms-sevsnpvm-is-debuggable': false,
      'x-ms-sevsnpvm-migration-allowed': false,
      'x-ms-sevsnpvm-vmpl': 0,
      'x-ms-sevsnpvm-reportdata': Buffer.from(boundTo(runtimeBytes)).toString('hex'),
      'x-ms-sevsnpvm-launchmeasurement': expect.stringMatching(/^[0-9a-f]{96}$/),
      'x-ms-sevsnpvm-snpfw-svn': expect.any(Number),
      'x-strongroom-simulated': true,
    })
    expect(payload['x-ms-policy-hash']).toMatch(/^[A-Za-z0-9_-]{43}$/)
  })

  it('takes the chain from the collateral service when the request has none', async () => {
    const answer = await test.post(path, snpBody(report))
    expect(answer.status).toBe(200)
  })

  it('refuses runtime data that the report is not bound to, whichever byte differs', async () => {
    for (const at of [0, 7, runtimeBytes.length - 3]) {
      const changed = Uint8Array.from(runtimeBytes)
      changed[at]! ^= 1
      const answer = await test.post(
        path,
        snpBody(report, { pem, runtimeData: { data: Buffer.from(changed).toString('base64url'), dataType: 'Binary' } }),
      )
      expect(answer.status).toBe(400)
      expect(answer.body.error).toMatchObject({
        code: 'InvalidParameter',
        target: 'runtimeData',
        details: [{ code: 'BindingMismatch' }],
      })
      expect(answer.body.error.innererror.expected).toMatch(/0{64}$/)
    }
  })

  it('refuses a report whose second half of report_data is not zero', async () => {
    const field = boundTo(runtimeBytes)
    field[63] = 1
    const answer = await test.post(path, snpBody(await snpReport({ reportData: field }), { pem }))
    expect(answer.body.error).toMatchObject({ code: 'InvalidParameter', target: 'runtimeData' })
  })

  it('refuses a report with any changed byte that the signature covers', async () => {
    for (const at of [0x04, 0x30, 0x50, 0x90, 0xc0, 0x1a0, 0x2a0]) {
      const changed = Uint8Array.from(report)
      changed[at]! ^= 1
      const answer = await test.post(path, snpBody(changed, { pem }))
      expect(answer.status, `byte ${at}`).toBe(400)
      expect(answer.body.error.code).toBe('InvalidParameter')
    }
  })

  it('refuses a chain of another root, whatever its names say', async () => {
    const stranger = await newSilicon()
    const answer = await test.post(path, snpBody(report, { pem: await chainPem(stranger) }))
    expect(answer.status).toBe(400)
    expect(answer.body.error.code).toBe('InvalidParameter')
  })

  it('denies a debuggable VM by default and names the shortcoming', async () => {
    const debuggable = await snpReport({ policy: 0xb001fn })
    const answer = await test.post(path, snpBody(debuggable, { pem }))
    expect(answer.status).toBe(400)
    expect(answer.body.error).toMatchObject({
      code: 'PolicyEvaluationError',
      innererror: { found: 'x-ms-compliance-status is absent' },
    })
    expect(JSON.stringify(answer.body.error.details)).toContain('debugAllowed')
  })

  it('gives no compliance to a machine that does not say which VM it is', async () => {
    const runtime = new TextEncoder().encode('{"keys":[{"kid":"k"}]}')
    const answer = await test.post(path, snpBody(await snpReport({ reportData: boundTo(runtime) }), { pem, runtime }))
    expect(answer.body.error.code).toBe('PolicyEvaluationError')
    expect(JSON.stringify(answer.body.error.details)).toContain('vmUniqueId')
  })

  it('binds init-time data to host_data', async () => {
    const init = new TextEncoder().encode('{"policy":1}')
    const withInit = await snpReport({ hostData: boundTo(init).subarray(0, 32) })
    const initTimeData = { data: Buffer.from(init).toString('base64url'), dataType: 'JSON' }
    const answer = await test.post(path, snpBody(withInit, { pem, initTimeData }))
    expect(claimsOf(answer)['x-ms-inittime']).toEqual({ policy: 1 })
    const wrong = await test.post(path, snpBody(report, { pem, initTimeData }))
    expect(wrong.body.error).toMatchObject({ code: 'InvalidParameter', target: 'initTimeData' })
  })

  it('tries a draft policy and signs nothing of it', async () => {
    const draft = 'version=1.0;authorizationrules{=>permit();};issuancerules{=>issue(type="mine", value=7);};'
    const answer = await test.post(
      path,
      snpBody(report, { pem, draftPolicyForAttestation: Buffer.from(draft).toString('base64url') }),
    )
    expect(claimsOf(answer)).toMatchObject({ mine: 7, 'x-ms-attestation-type': 'sevsnpvm' })
    const token = (answer.body as { token: string }).token
    expect(token.endsWith('.')).toBe(true)
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'none' })
    const jwks = await test.call('GET', '/certs')
    await expect(compactVerify(token, createLocalJWKSet(jwks.body))).rejects.toThrow()
  })

  it('says where a draft policy cannot be read', async () => {
    const draft = Buffer.from('version=1.0;\nauthorizationrules{=>permit()};').toString('base64url')
    const answer = await test.post(path, snpBody(report, { pem, draftPolicyForAttestation: draft }))
    expect(answer.status).toBe(400)
    expect(answer.body.error).toMatchObject({
      code: 'PolicyParsingError',
      message: expect.stringMatching(/Line 2, column 30/),
    })
  })

  it('refuses malformed requests by the member at fault', async () => {
    const cases: [Record<string, unknown>, string][] = [
      [{}, 'report'],
      [{ report: 'e30' }, 'report.SnpReport'],
      [{ report: 'not base64!' }, 'report'],
      [{ report: Buffer.from('{"SnpReport":"AAAA"}').toString('base64url') }, 'report'],
      [snpBody(report, { pem, runtimeData: { data: 'e30', dataType: 'Text' } }), 'runtimeData.dataType'],
      [snpBody(report, { pem, runtimeData: { data: 'e', dataType: 'JSON' } }), 'runtimeData.data'],
      [snpBody(report, { pem, nonce: 'x'.repeat(2000) }), 'nonce'],
      [snpBody(report, { pem: 'no certificate' }), 'report.VcekCertChain'],
    ]
    for (const [body, target] of cases) {
      const answer = await test.post(path, body)
      expect(answer.status).toBe(400)
      expect(answer.body.error).toMatchObject({ code: 'InvalidParameter', target })
    }
  })

  it('survives runtime data that is nested without end', async () => {
    const deep = new TextEncoder().encode('['.repeat(20_000) + ']'.repeat(20_000))
    const answer = await test.post(path, snpBody(report, { pem, runtime: deep }))
    expect(answer.body.error).toMatchObject({ code: 'InvalidParameter', target: 'runtimeData.data' })
  })

  it('asks for an api-version that it knows', async () => {
    const missing = await test.post('/attest/SevSnpVm', snpBody(report, { pem }))
    expect(missing.body.error.code).toBe('MissingApiVersionParameter')
    const unknown = await test.post('/attest/SevSnpVm?api-version=1999-01-01', snpBody(report, { pem }))
    expect(unknown.body.error.code).toBe('InvalidApiVersionParameter')
  })

  it('says that it does not attest other types, and answers no other host', async () => {
    const guest = await test.post('/attest/SgxEnclave?api-version=2020-10-01', { attestationInfo: 'e30' })
    expect(guest.status).toBe(501)
    expect(guest.body.error.code).toBe('AttestationTypeNotOffered')
    const other = await test.post(path, snpBody(report, { pem }), { host: 'evil.weu.attest.strongroom.internal' })
    expect(other.status).toBe(404)
    expect(test.service.hosts[0]!.matches(host)).toBe(true)
    expect(other.body.error.code).toBe('ProviderNotFound')
    for (const strange of ['evil.example', 'a.b.weu.attest.strongroom.internal', 'attest.strongroom.internal'])
      expect(test.service.hosts[0]!.matches(strange)).toBe(false)
  })
})
