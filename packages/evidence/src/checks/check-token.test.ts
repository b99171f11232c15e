import { createHash, generateKeyPairSync, sign as nodeSign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { bundleOf } from '../tokens/bundle.ts'
import type { Jwk } from '../tokens/keys.ts'
import type { Check } from './check.ts'
import { appraiseTokenClaims, checkToken } from './check-token.ts'

type Rules = Parameters<typeof checkToken>[0]

const issuer = 'https://issuer.test'
const at = new Date('2026-03-01T12:00:00Z')
const seconds = at.getTime() / 1000
const times = { iat: seconds - 60, nbf: seconds - 60, exp: seconds + 600 }
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keys = [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' }] as unknown as Jwk[]
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

const signed = (claims: object = {}, header: object = {}): string => {
  const all = { iss: issuer, ...times, ...claims }
  const input = `${encode({ alg: 'ES256', kid: 'k1', ...header })}.${encode(all)}`
  const signature = nodeSign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}
const check = async (token: string, o: Partial<Rules> = {}): ReturnType<typeof checkToken> =>
  await checkToken({ token, keys, issuer, at, algorithms: ['ES256'], ...o })
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
/** Each check as its id, outcome and code. */
const shown = ({ children }: Check): [string, string][] =>
  children.map(({ id, outcome, code, optional }) => [id, optional === true ? 'not asked' : (code ?? outcome)])
const others = (tree: Check): unknown[] => shown(tree).filter(([, outcome]) => outcome !== 'passed')
const faults = (tree: Check): unknown[] => [
  ...others(tree),
  ...tree.children.flatMap(({ children }) =>
    children.map(({ id, code, expected, actual }) => [id, code, expected, actual]),
  ),
]

describe('a token, check by check', () => {
  it('passes with what it says at each of them', async () => {
    const { check: tree, value } = await check(signed())
    expect([tree.id, tree.outcome, value?.keyId, value?.algorithm]).toEqual(['token', 'passed', 'k1', 'ES256'])
    expect(tree.children.map(({ id, actual }) => [id, actual])).toEqual([
      ['token.format', undefined],
      ['token.algorithm', 'ES256'],
      ['token.key', 'k1'],
      ['token.signature', undefined],
      ['token.issuer', issuer],
      ['token.kind', 'not about policies'],
      ['token.time', `until ${new Date((seconds + 600) * 1000).toISOString()}`],
    ])
    const about = await check(signed({ 'x-ms-policy-result': 'Updated' }), { kind: 'policy' })
    expect([about.value?.keyId, about.check.children.find(({ id }) => id === 'token.kind')?.actual]).toEqual([
      'k1',
      'about policies',
    ])
  })

  it('fails at the check that it is wrong in, and the others are still made', async () => {
    for (const [token, wanted, o] of [
      ['x', ['token.format', 'WrongLength']],
      [signed({}, { crit: ['x'] }), ['token.algorithm', 'UnknownCriticalExtension']],
      [signed({}, { alg: 'ES384' }), ['token.algorithm', 'AlgorithmNotAllowed']],
      [signed({}, { kid: 'k2' }), ['token.key', 'TokenKeyUnknown']],
      [`${signed().split('.').slice(0, 2).join('.')}.${'A'.repeat(86)}`, ['token.signature', 'TokenSignatureInvalid']],
      [signed({ iss: 'https://evil.test' }), ['token.issuer', 'TokenIssuerMismatch']],
      [signed(), ['token.issuer', 'TokenAudienceMismatch'], { audience: 'x' }],
      [signed({ 'x-ms-policy-result': 'x' }), ['token.kind', 'TokenOfAnotherKind']],
      [signed(), ['token.kind', 'TokenOfAnotherKind'], { kind: 'policy' }],
      [signed({ exp: seconds }), ['token.time', 'TokenExpired']],
      [signed(), ['token.algorithm', 'AlgorithmNotAllowed'], { algorithms: undefined }],
    ] as [string, [string, string], Partial<Rules>?][]) {
      const { check: tree, value } = await check(token, o)
      const failed = tree.children.filter(({ outcome }) => outcome === 'failed').map(({ id, code }) => [id, code])
      expect([failed, tree.outcome, value]).toEqual([[wanted], 'failed', undefined])
      const rests = tree.children.filter(({ outcome }) => outcome === 'skipped').map(({ id }) => id)
      const on: Record<string, string[]> = {
        'token.format': tree.children.slice(1).map(({ id }) => id),
        'token.algorithm': ['token.key', 'token.signature'],
        'token.key': ['token.signature'],
      }
      expect(rests).toEqual(on[wanted[0]] ?? [])
    }
  })

  it('has no verdict without its issuer’s keys, and says where they are if that can be known', async () => {
    for (const [iss, where] of [
      [issuer, `if you trust ${issuer}, get them from ${issuer}/certs`],
      [
        'https://nras.attestation.nvidia.com',
        'get them from https://nras.attestation.nvidia.com/.well-known/jwks.json',
      ],
      ...['http://issuer.test', `x${issuer}`, `${issuer}/a`, `https://${'a'.repeat(201)}`, 'https://', 5].map(
        (each): [unknown, string] => [each, 'get them from the issuer'],
      ),
    ]) {
      const { check: tree, value } = await check(signed({ iss }), { keys: undefined, issuer: 'any' })
      const open = tree.children.find(({ id }) => id === 'token.key')
      expect([open?.outcome, open?.optional, value, tree.outcome === 'passed']).toEqual([
        'skipped',
        undefined,
        undefined,
        false,
      ])
      expect(open?.message?.endsWith(`: ${where}`)).toBe(true)
    }
    const unread = await check('x', { keys: undefined })
    expect(unread.check.children.find(({ id }) => id === 'token.key')?.message).toContain('get them from the issuer')
  })

  it('is about a report that was given, where it names one and any is at hand', async () => {
    const data = new Uint8Array(64).fill(0xab)
    const hex = 'AB'.repeat(64)
    for (const claims of [
      { 'x-ms-sevsnpvm-reportdata': hex },
      { 'x-ms-isolation-tee': { 'x-ms-sevsnpvm-reportdata': hex } },
      { tdx_report_data: hex },
      { tdx: { tdx_report_data: hex } },
    ]) {
      const token = signed(claims)
      const asked = async (...reportData: Uint8Array[]): Promise<unknown> => {
        const found = await check(token, { reportData })
        return [found.check.children.find(({ id }) => id === 'token.evidence')?.outcome, found.value !== undefined]
      }
      expect(await asked(new Uint8Array(64), data)).toEqual(['passed', true])
      expect(await asked(new Uint8Array(64))).toEqual(['failed', false])
      expect(await asked()).toEqual([undefined, true])
      expect(others((await check(token, { reportData: [new Uint8Array(2), Uint8Array.of(255)] })).check)).toEqual([
        ['token.evidence', 'BindingMismatch'],
      ])
      const { check: tree } = await check(token, { reportData: [new Uint8Array(2), Uint8Array.of(255)] })
      expect(tree.children.at(-1)).toMatchObject({ expected: hex.toLowerCase(), actual: '0000, ff' })
      expect(shown((await check(token)).check)).not.toContainEqual(['token.evidence', expect.anything()])
    }
    for (const claims of [{}, { tdx_report_data: 5 }, { tdx: [hex] }])
      expect(shown((await check(signed(claims), { reportData: [data] })).check)).toHaveLength(7)
  })

  it('fails where the service says that the evidence is bad, or the guest is weak', async () => {
    for (const [claims, path, expected, actual, id] of [
      [{ 'x-nvidia-overall-att-result': false }, 'x-nvidia-overall-att-result', 'true', 'false', 'token.result'],
      [{ 'x-nvidia-overall-att-result': 'true' }, 'x-nvidia-overall-att-result', 'true', '"true"', 'token.result'],
      [{ measres: 'fail' }, 'measres', 'success', '"fail"', 'token.result'],
      [{ measres: 'x'.repeat(90) }, 'measres', 'success', `"${'x'.repeat(63)}`, 'token.result'],
      [{ tdx: { tdx_is_debuggable: true } }, 'tdx.tdx_is_debuggable', 'false', 'true', 'token.guest'],
      [{ tdx_is_debuggable: 'false' }, 'tdx_is_debuggable', 'false', '"false"', 'token.guest'],
    ] as const) {
      const { check: tree, value } = await check(signed(claims))
      expect(faults(tree)).toEqual([
        [id, 'failed'],
        [`policy.${path}`, 'Forbidden', expected, actual],
      ])
      expect(value).toBeUndefined()
    }
    const good = {
      'x-nvidia-overall-att-result': true,
      measres: 'success',
      tdx: { tdx_is_debuggable: false },
      tdx_is_debuggable: false,
    }
    const { check: tree, value } = await check(signed(good))
    expect([shown(tree).length, value !== undefined]).toEqual([7, true])
  })

  it('has the claims that are asked for', async () => {
    const claims = { a: 1, 'b.c': 'whole', d: { e: { f: true } }, g: [{ h: 1 }] }
    expect(faults((await check(signed(claims), { claims: { a: 1, 'b.c': 'whole', 'd.e.f': true } })).check)).toEqual([])
    const wrong = await check(signed(claims), { claims: { a: '1', 'd.e.x': 1, 'd.e': 5 } })
    expect(faults(wrong.check)).toEqual([
      ['token.claims', 'failed'],
      ['policy.a', 'NotEqual', '1', '1'],
      ['policy.d.e.x', 'Missing', '1', 'absent'],
      ['policy.d.e', 'NotEqual', '5', '{"f":true}'],
    ])
    // The token is genuine; only its claims differ from the required ones.
    expect(wrong.value).toBeDefined()
    const paths = ['g.0', 'g.0.h', 'g.length', 'd.toString', 'toString', 'a.b', 'd.__proto__', 'z.y']
    for (const path of paths)
      expect(appraiseTokenClaims(claims, { [path]: 1 })).toMatchObject([{ path, code: 'Missing' }])
    expect(appraiseTokenClaims({ t: 'abc' }, { 't.length': 3 })).toMatchObject([{ code: 'Missing' }])
    expect(appraiseTokenClaims({ n: null, l: 'x'.repeat(300) }, { 'n.a': 1, l: '' })).toEqual([
      { path: 'n.a', code: 'Missing', expected: '1', actual: 'absent' },
      { path: 'l', code: 'NotEqual', expected: '', actual: `"${'x'.repeat(255)}` },
    ])
    const unread = await check('x', { claims: { a: 1 } })
    expect(shown(unread.check).at(-1)).toEqual(['token.claims', 'skipped'])
  })
})

describe('tokens of one bundle', () => {
  const main = (...tokens: string[]): string =>
    signed({
      submods: Object.fromEntries(tokens.map((each, n) => [`GPU-${n}`, ['DIGEST', ['SHA-256', sha256(each)]]])),
    })
  const device = signed({ measres: 'success' })
  const stranger = signed({ measres: 'success', n: 1 })
  const judged = async (token: string, ...given: string[]): Promise<unknown[]> => {
    const { check: tree } = await check(token, { bundle: await bundleOf(given) })
    return shown(tree).slice(7)
  }

  it('name each other, and none is exchanged or left in from another', async () => {
    const overall = main(device)
    expect(await judged(overall, overall, device)).toEqual([['token.bundle', 'passed']])
    expect(await judged(device, overall, device)).toEqual([['token.bundle', 'passed']])
    expect(await judged(stranger, overall, device, stranger)).toEqual([['token.bundle', 'BindingMismatch']])
    expect(await judged(overall, overall, stranger)).toEqual([['token.bundle', 'BindingMismatch']])
    const both = main(device, stranger)
    expect(await judged(both, both, stranger)).toEqual([['token.bundle', 'BindingMismatch']])
    const { check: tree } = await check(stranger, { bundle: await bundleOf([both, main(device)]) })
    expect(tree.children.at(-1)?.outcome).toBe('passed')
    const other = await check(stranger, { bundle: await bundleOf([main(device, 'x')]) })
    expect(other.check.children.at(-1)).toMatchObject({
      expected: `${sha256(device)}, ${sha256('x')}`,
      actual: sha256(stranger),
    })
  })

  it('need not be given, and others than a service’s are not part of it', async () => {
    const overall = main(device)
    expect(await judged(overall, overall)).toEqual([['token.bundle', 'not asked']])
    expect(await judged(device, device, stranger)).toEqual([])
    expect(await judged(signed(), overall, device)).toEqual([])
  })
})
