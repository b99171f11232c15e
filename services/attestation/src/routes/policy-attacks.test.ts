import { attestationTypes } from '@strongroom/contract'
import { lintPolicy, parsePolicy } from '@strongroom/policy'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unsignedPolicyJws } from '../policy/stored-policy.ts'
import {
  boundTo,
  chainPem,
  claimsOf,
  firmwareIsThere,
  openService,
  ownerObjectId,
  serveCollateral,
  silicon,
  snpBody,
  snpReport,
  type Answer,
  type TestService,
} from '../testing/harness.ts'

const attestPath = '/attest/SevSnpVm?api-version=2022-08-01'
const policyPath = '/policies/SevSnpVm?api-version=2022-08-01'
const owner = { token: ownerObjectId, contentType: 'text/plain' }

/** The attacks on policies of the facts (P1 to P4, P6), over HTTP. */
describe.skipIf(!firmwareIsThere)('attacks on policies', () => {
  let test: TestService
  let body: Record<string, unknown>

  beforeAll(async () => {
    test = await openService({ anchors: (await silicon()).anchors })
    await serveCollateral(test.collateral, await silicon())
    body = snpBody(await snpReport(), { pem: await chainPem() })
  })
  afterAll(() => test?.close())

  const set = async (rules: string, version = '1.2'): Promise<Answer> => {
    const payload = unsignedPolicyJws(`version=${version};authorizationrules{${rules}};`)
    return await test.call('PUT', policyPath, { ...owner, payload })
  }
  const draft = async (text: string): Promise<Answer> =>
    await test.post(attestPath, { ...body, draftPolicyForAttestation: Buffer.from(text).toString('base64url') })

  it('no default lets everything pass, and a debuggable VM is denied by them (attack P1)', async () => {
    for (const type of attestationTypes) {
      const answer = await test.call('GET', `/policies/${type}?api-version=2022-08-01`, owner)
      const [, payload] = String(claimsOf(answer)['x-ms-policy']).split('.') as [string, string]
      const { AttestationPolicy } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as {
        AttestationPolicy: string
      }
      const warnings = lintPolicy(parsePolicy(Buffer.from(AttestationPolicy, 'base64url').toString()))
      expect(warnings, type).toEqual([])
    }
    const debuggable = snpBody(await snpReport({ policy: 0xb001fn }), { pem: await chainPem() })
    expect((await test.post(attestPath, debuggable)).body.error.code).toBe('PolicyEvaluationError')
  })

  it.each([
    ['[type=="not-there", value!="x"]=>permit();', 'not-there is absent'],
    ['[type=="not-there", value==false]=>permit();', 'not-there is absent'],
    ['[type=="x-ms-sevsnpvm-vmpl", value=="0"]=>permit();', 'x-ms-sevsnpvm-vmpl is 0'],
    ['[type=="x-ms-sevsnpvm-vmpl", value==false]=>permit();', 'x-ms-sevsnpvm-vmpl is 0'],
    ['[type=="x-ms-sevsnpvm-is-debuggable", value=="false"]=>permit();', 'x-ms-sevsnpvm-is-debuggable is false'],
    ['[type=="X-MS-COMPLIANCE-STATUS"]=>permit();', 'X-MS-COMPLIANCE-STATUS is absent'],
  ])('nothing passes by absence or by another type: %s (attack P3)', async (rules, found) => {
    expect((await set(rules)).status).toBe(200)
    const { error } = (await test.post(attestPath, body)).body
    expect(error).toMatchObject({
      code: 'PolicyEvaluationError',
      innererror: { found: expect.stringContaining(found) },
    })
    expect(error.message).toMatch(/Policy hash: [A-Za-z0-9_-]{43}/)
  })

  it.each([
    ['an unknown operator', '[type=~"a"]=>permit();'],
    ['an unknown function', '=>add(type="a", value=ToLower("A"));'],
    ['an unknown property', '[typ=="a"]=>permit();'],
    ['an unknown issuer', '[type=="a", issuer=="Microsoft"]=>permit();'],
    ['an unknown value type', '[type=="a", valueType=="Number"]=>permit();'],
    ['an order of texts', '[type=="a", value>"5"]=>permit();'],
    ['a claim in the service’s name', '=>add(type="x-ms-compliance-status", value="a", issuer="AttestationService");'],
    ['an assignment in a condition', '[type="a"]=>permit();'],
  ])('a policy with %s is refused when it is set, with its place (attack P3)', async (_name, rules) => {
    const { status, body: answer } = await set(rules)
    expect(status).toBe(400)
    expect(answer.error).toMatchObject({ code: 'PolicyParsingError' })
    expect(answer.error.message).toMatch(/Line 1, column \d+/)
  })

  it('a claim that a policy adds under the service’s name reaches no token and passes no check of the service’s (attack P3)', async () => {
    const rules =
      '=>add(type="x-ms-compliance-status", value="azure-compliant-cvm"); [type=="x-ms-compliance-status", ' +
      'issuer=="AttestationService"]=>permit();'
    await set(rules)
    // It has no weakness that a policy must name: it states no VM id, so only compliance is missing.
    const runtime = new TextEncoder().encode('{"keys":[{"kid":"k"}]}')
    const unnamed = snpBody(await snpReport({ reportData: boundTo(runtime) }), { pem: await chainPem(), runtime })
    const { error } = (await test.post(attestPath, unnamed)).body
    expect([error.code, error.innererror.found]).toEqual([
      'PolicyEvaluationError',
      expect.stringContaining('x-ms-compliance-status'),
    ])
    await set(rules.replace(', issuer=="AttestationService"', ''))
    const issued = await test.post(attestPath, unnamed)
    expect([issued.status, claimsOf(issued)['x-ms-compliance-status']]).toEqual([200, undefined])
  })

  const nested = (depth: number): string => `${'NegateBool('.repeat(depth)}true${')'.repeat(depth)}`
  const conditions = Array.from({ length: 12 }, (_, index) => `c${index}:[issuer=="AttestationService"]`)
  it.each([
    [
      'calls nested deep',
      `version=1.2;authorizationrules{=>add(type="a", value=${nested(5_000)});=>permit();};`,
      'PolicyParsingError',
      'at most 16 nested calls',
    ],
    [
      'more rules than there may be',
      `version=1.0;authorizationrules{${'=>permit();'.repeat(501)}};`,
      'PolicyParsingError',
      'at most 500 rules',
    ],
    [
      'a text that is too large',
      `version=1.0;authorizationrules{=>permit();};//${'x'.repeat(70_000)}`,
      'PolicyParsingError',
      'at most 65536 bytes of UTF-8',
    ],
    [
      'conditions that multiply',
      `version=1.0;authorizationrules{${conditions.join('&&')}=>permit();};`,
      'PolicyEvaluationError',
      'at most 4096 matches of one rule',
    ],
    [
      'texts that double',
      'version=1.2;authorizationrules{=>add(type="s", ' +
        `value="0123456789");${'c:[type=="s"]=>add(type="s", value=AppendString(c.value, c.value));'.repeat(60)}=>permit();};`,
      'PolicyEvaluationError',
      'at most 4194304 characters made by one evaluation',
    ],
    [
      'a query that prints a small value as a huge one',
      'version=1.2;authorizationrules{=>add(type="a", value=JmesPath("1", ' +
        `"${Array.from({ length: 60 }, () => '[@,@]').join('|')}"));=>permit();};`,
      'PolicyEvaluationError',
      'at most 150000 steps in one evaluation',
    ],
    [
      'JSON nested deep',
      `version=1.2;authorizationrules{=>add(type="a", value=JmesPath("${'['.repeat(7_000)}${']'.repeat(7_000)}", "@ == @"));=>permit();};`,
      'PolicyEvaluationError',
      'JSON is nested more than 200 deep',
    ],
    [
      'a query nested deep',
      `version=1.2;authorizationrules{=>add(type="a", value=JmesPath("1", "${'('.repeat(2_000)}@${')'.repeat(2_000)}"));=>permit();};`,
      'PolicyEvaluationError',
      'the query has more than 1000 tokens',
    ],
    [
      'issuance rules without an end',
      'version=1.2;authorizationrules{=>permit();};issuancerules{=>issue(type="a", value=JmesPath("1", ' +
        `"${Array.from({ length: 60 }, () => '[@,@]').join('|')}"));};`,
      'PolicyEvaluationError',
      'at most 150000 steps in one evaluation',
    ],
  ])(
    'a draft with %s ends at a limit that is counted, however fast the machine is (attack P4)',
    async (_name, text, code, limit) => {
      const answer = await draft(text)
      expect([answer.status, answer.body.error.code]).toEqual([400, code])
      expect(answer.body.error.message).toContain(limit)
    },
  )

  it('a policy is done as far as its steps go, and no further (attack P4)', async () => {
    const numbers = Array.from({ length: 60 }, (_, n) => n).join(',')
    // Each of these rules costs some 29,400 of 150,000 steps.
    const rules = (count: number): string => 'c:[type=="a"]&&d:[type=="a"]=>permit();'.repeat(count)
    const text = (count: number): string =>
      `version=1.2;authorizationrules{=>add(type="a", value=JsonToClaimValue("[${numbers}]"));${rules(count)}};`
    expect((await draft(text(5))).status).toBe(200)
    const { status, body: answer } = await draft(text(6))
    expect([status, answer.error.message]).toEqual([400, expect.stringContaining('at most 150000 steps')])
  })

  it('a policy that permits all makes nobody compliant, and accepts no weakness that it does not name (attack P6)', async () => {
    await set('=>permit();')
    const debuggable = snpBody(await snpReport({ policy: 0xb001fn }), { pem: await chainPem() })
    const { error } = (await test.post(attestPath, debuggable)).body
    expect(error.innererror.expected).toContain('x-ms-sevsnpvm-is-debuggable')
    expect(decodeJwt((await test.post(attestPath, body)).body.token)['x-ms-compliance-status']).toBe(
      'azure-compliant-cvm',
    )
  })
})
