import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseCertificate, parseTdxQuote, readPckExtension, toBase64Url, toHex } from '@strongroom/evidence'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tpmIsThere } from '../testing/guest-tpm.ts'
import { guestBody, guestPath, tdxQuote, TestGuest, testAuthority } from '../testing/guest.ts'
import { answerChallenge } from '../testing/tpm-client.ts'
import {
  boundTo,
  chainPem,
  firmwareIsThere,
  openService,
  runtimeBytes,
  serveCollateral,
  serveTdxCollateral,
  silicon,
  snpBody,
  snpReport,
  type TestService,
} from '../testing/harness.ts'

type Shape = { [name: string]: string | Shape }
type Type = 'sevsnpvm' | 'tdxvm' | 'azurevm' | 'azurevm-tdx' | 'azurevm-trusted-launch' | 'tpm'

const types: readonly Type[] = ['sevsnpvm', 'tdxvm', 'azurevm', 'azurevm-tdx', 'azurevm-trusted-launch', 'tpm']
const corpus = '/work/shared/evidence'
const documentation = readFileSync(join(import.meta.dirname, '../../../../docs/explanation/attestation.md'), 'utf8')
const golden = (type: Type): Shape =>
  JSON.parse(readFileSync(join(import.meta.dirname, `${type}.json`), 'utf8')) as Shape

/** Names and types. Members that a guest or a relying party chose are omitted. */
function shapeOf(value: unknown, name = ''): string | Shape {
  if (Array.isArray(value)) return 'array'
  if (typeof value !== 'object' || value === null) return Number.isInteger(value) ? 'integer' : typeof value
  if (name === 'x-ms-runtime' || name === 'cnf') return 'object'
  return Object.fromEntries(Object.entries(value).map(([member, inner]) => [member, shapeOf(inner, member)]))
}

/** Our own members, which Azure's tokens lack. */
function withoutOwn(shape: Shape): Shape {
  return Object.fromEntries(
    Object.entries(shape)
      .filter(([name]) => !name.startsWith('x-strongroom-'))
      .map(([name, inner]) => [name, typeof inner === 'string' ? inner : withoutOwn(inner)]),
  )
}

function namesIn(shape: Shape): string[] {
  return Object.entries(shape).flatMap(([name, inner]) => [name, ...(typeof inner === 'string' ? [] : namesIn(inner))])
}

describe('golden claims', () => {
  it.each(types)('of %s are documented one by one', (type) => {
    for (const name of namesIn(golden(type))) expect(documentation, name).toContain(`\`${name}\``)
  })

  it.skipIf(!existsSync(corpus))('of azurevm are those of a real token, name by name and type by type', () => {
    const path = 'ThomVanL-blog-2022-12-azure-confidential-computing-secure-key-release/maa-token-body.json'
    const real = shapeOf(JSON.parse(readFileSync(join(corpus, path), 'utf8'))) as Shape
    expect(withoutOwn(golden('azurevm'))).toEqual(real)
  })

  it.skipIf(!existsSync(corpus))('of sevsnpvm are those of a real token and of Azure’s documentation', () => {
    const token = readFileSync(join(corpus, 'Azure-Samples-microsoft-azure-attestation/sev-snp-jwt.txt'), 'utf8')
    const real = shapeOf(decodeJwt(token.trim())) as Shape
    // The sample is from a container group: it has no runtime data and is not judged for compliance.
    const { 'x-ms-runtime': _runtime, 'x-ms-compliance-status': _status, ...rest } = withoutOwn(golden('sevsnpvm'))
    expect(rest).toEqual(real)
  })
})

describe.skipIf(!firmwareIsThere || !tpmIsThere)('tokens', () => {
  let test: TestService
  let authority: Awaited<ReturnType<typeof testAuthority>>
  let guest: TestGuest
  const tokens = new Map<Type, string>()

  beforeAll(async () => {
    const processor = await silicon()
    authority = await testAuthority()
    test = await openService({ anchors: processor.anchors, attestationKeyAuthorities: [authority.caPem] })
    await serveCollateral(test.collateral, processor)
    const quote = await tdxQuote(boundTo(runtimeBytes))
    const { certification } = parseTdxQuote(quote)
    if (certification.type !== 'pckChain') throw new Error('the quote has no chain')
    const { fmspc } = readPckExtension(parseCertificate(certification.chain[0]!))
    await serveTdxCollateral(test.collateral, await processor.intel.collateral(), toHex(fmspc))
    guest = await TestGuest.boot({ authority, vmId: 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE' })
    const version = 'api-version=2025-06-01'
    const snp = await test.post(`/attest/SevSnpVm?${version}`, snpBody(await snpReport(), { pem: await chainPem() }))
    tokens.set('sevsnpvm', snp.body.token as string)
    const runtimeData = { data: toBase64Url(runtimeBytes), dataType: 'JSON' }
    const tdx = await test.post(`/attest/TdxVm?${version}`, { quote: toBase64Url(quote), runtimeData })
    tokens.set('tdxvm', tdx.body.token as string)
    for (const [type, isolation] of [
      ['azurevm', 'SevSnp'],
      ['azurevm-tdx', 'Tdx'],
      ['azurevm-trusted-launch', 'TrustedLaunch'],
    ] as const) {
      // Registers 12 and 13 as well: only they show that no Windows boot option was measured.
      const parts = await guest.parts({ isolation, registers: [0, 1, 2, 3, 4, 5, 6, 7, 12, 13] })
      const { body } = await test.post(guestPath, guestBody(parts))
      tokens.set(type, await guest.tpm.open(body.token as string, parts.key))
    }
    tokens.set('tpm', await answerChallenge(test, guest))
  })
  afterAll(async () => {
    await guest?.close()
    await test?.close()
    await authority?.remove()
  })

  it.each(types)('of %s have the claims of the golden file, and no others', (type) => {
    const { aud: _none, ...claims } = decodeJwt(tokens.get(type)!)
    expect(_none).toBeUndefined()
    expect(shapeOf(claims)).toEqual(golden(type))
  })

  it.each(types)('of %s live for eight hours under Azure’s header, claims in alphabetical order', (type) => {
    const token = tokens.get(type)!
    const claims = decodeJwt(token)
    expect(Number(claims.exp) - Number(claims.iat)).toBe(28_800)
    expect(Object.keys(decodeProtectedHeader(token))).toEqual(['alg', 'jku', 'kid', 'typ'])
    expect(Object.keys(claims)).toEqual(Object.keys(claims).toSorted())
  })
})
