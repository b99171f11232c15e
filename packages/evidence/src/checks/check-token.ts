import {
  azureTokenAlgorithms,
  type KeyMaterial,
  requireAlgorithm,
  type TokenAlgorithm,
  verifyTokenSignature,
} from '../tokens/algorithms.ts'
import { certificatesOf, type SignerRules, verifySigner, verifySignerSignature } from '../tokens/certified.ts'
import { type Jws, parseJws } from '../tokens/jws.ts'
import { requireKind } from '../tokens/kind.ts'
import { type Jwk, keyNamed, selectKey } from '../tokens/keys.ts'
import { keyInToken, type KeyPins, pinnedAmong, requirePinned } from '../tokens/pinned.ts'
import { readKeyRelease, type VerifiedRelease } from '../tokens/release.ts'
import {
  requireHeader,
  requireIssuer,
  requireTime,
  tokenClaims,
  type TokenRules,
  type VerifiedToken,
  verifyToken,
} from '../tokens/verify.ts'
import { toHex } from '../core/bytes/hex.ts'
import type { Certificate } from '../x509/certificate.ts'
import { appraised, type Checked } from './check.ts'
import { Checklist } from './checklist.ts'
import { VerificationError } from '../core/errors.ts'
import { detachedDigests, type TokenBundle, tokenDigest } from '../tokens/bundle.ts'
import { earVerifier, isEar, isEarToken } from '../tokens/ear.ts'
import { guestClaims } from '../tokens/guest-claims.ts'
import { shown } from '../tokens/shown.ts'
import type { Failure } from '../core/failure.ts'
import type { TrustAnchor } from '../x509/trust-anchors.ts'

type Claims = Record<string, unknown>

/** Required values of claims; `a.b` selects a member of an object. */
export type ClaimRules = Readonly<Record<string, string | number | boolean>>

/**
 * Checks a token check by check.
 * @param o.keys absent: the issuer cannot be verified
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { checkToken, firstFailure, parseJwks } from '@strongroom/evidence'
 *
 * const { check } = await checkToken({
 *   token: (await readFile('token.jwt', 'utf8')).trim(),
 *   keys: parseJwks(JSON.parse(await readFile('jwks.json', 'utf8'))),
 *   issuer: 'https://sharedweu.weu.attest.azure.net',
 *   at: new Date('2023-06-01'),
 * })
 * firstFailure(check)?.id // => 'token.time'
 * firstFailure(check)?.code // => 'TokenExpired'
 */
export async function checkToken(
  o: TokenRules & {
    token: string
    keys?: readonly Jwk[] | undefined
    /** With pins, the key that the token brings counts too, and a key without a name. */
    pins?: KeyPins | undefined
    at: Date
    claims?: ClaimRules | undefined
    /** Tokens given together, which may name each other. */
    bundle?: TokenBundle | undefined
    /** Of the hardware reports at hand: if the token names a report, it must be one of them. */
    reportData?: readonly Uint8Array[] | undefined
  },
): Promise<Checked<VerifiedToken>> {
  const list = new Checklist()
  const read = await list.run('token.format', [], () => {
    const parsed = parseJws(o.token)
    return { jws: parsed, claims: tokenClaims(parsed) }
  })
  const jws = read?.jws
  const claims = read?.claims
  const allowed = o.algorithms ?? azureTokenAlgorithms
  const algorithm = await list.run(
    'token.algorithm',
    [jws],
    (parsed: Jws) => {
      requireHeader(parsed)
      return requireAlgorithm(parsed.header['alg'], allowed)
    },
    (name) => name,
  )
  const { keys, key, unnamed } = await chooseKey(list, o, { jws, claims, algorithm })
  await list.run(
    'token.signature',
    [jws, algorithm, key],
    async (parsed: Jws, name: TokenAlgorithm, material: KeyMaterial) => {
      const { signature, signingInput: data } = parsed
      if (await verifyTokenSignature({ algorithm: name, key: material, signature, data })) return
      // verifyToken reports it with its own error.
      await verifyToken({ ...o, keys: keys ?? [], unnamed })
    },
  )
  await list.run(
    o.issuer === 'any' ? 'token.statedIssuer' : 'token.issuer',
    [jws, claims],
    (parsed: Jws, found: Claims) => requireIssuer(parsed.header, found, o),
    () =>
      claims!['iss'] === undefined
        ? `none, verifier ${earVerifier(claims!) ?? 'without a name'}`
        : shown(claims!['iss']),
  )
  await list.run(
    'token.kind',
    [claims],
    (found: Claims) => requireKind(found, o.kind ?? 'attestation'),
    () => (o.kind === 'policy' ? 'about policies' : 'not about policies'),
  )
  await list.run(
    'token.time',
    [claims],
    (found: Claims) => requireTime(found, o),
    (times) => `until ${times.expires.toISOString()}`,
  )
  const about = claims === undefined ? undefined : reportDataOf(claims)
  if (about !== undefined && o.reportData !== undefined && o.reportData.length > 0) {
    const given = o.reportData.map(toHex)
    await list.run('token.evidence', [about], (named: string) => requireGiven(named, given))
  }
  if (claims !== undefined) {
    if (o.bundle !== undefined) await checkBundle(list, o.token, claims, o.bundle)
    const failures = resultFailures(claims)
    if (failures.length > 0) list.add(appraised('token.result', failures))
    const weak = weakClaims(claims, o.claims)
    if (weak.length > 0) list.add(appraised('token.guest', weak))
  }
  let value: VerifiedToken | undefined
  // What every check passes and this refuses is a fault of ours: it is thrown, and nothing is accepted.
  if (list.whole) value = await verifyToken({ ...o, keys: keys!, unnamed })
  if (o.claims !== undefined) {
    if (claims === undefined) list.skip('token.claims', 'The claims cannot be read')
    else list.add(appraised('token.claims', appraiseTokenClaims(claims, o.claims)))
  }
  return { check: list.all('token'), value }
}

/** The key that the token names, of those that were given or, with pins, that it brings; pinned where the policy pins. */
async function chooseKey(
  list: Checklist,
  o: Pick<Parameters<typeof checkToken>[0], 'keys' | 'pins' | 'at'>,
  {
    jws,
    claims,
    algorithm,
  }: { jws: Jws | undefined; claims: Claims | undefined; algorithm: TokenAlgorithm | undefined },
): Promise<{ keys: readonly Jwk[] | undefined; key: KeyMaterial | undefined; unnamed: boolean }> {
  const { pins, at } = o
  const given = o.keys ?? (jws && pins && keyInToken(jws))
  const unnamed = pins !== undefined || (jws !== undefined && isEarToken(jws))
  if (given === undefined) {
    list.skip('token.key', `The issuer’s keys were not given as a file: ${keysSource(claims ?? {})}`)
    return { keys: given, key: undefined, unnamed }
  }
  const keys = await pinnedAmong(given, pins?.keys)
  const kid = jws?.header['kid']
  const key = await list.run(
    'token.key',
    [jws, algorithm],
    (_, name: TokenAlgorithm) => selectKey({ keys, kid, algorithm: name, unnamed }),
    () => shown(kid ?? 'the only key that was given'),
  )
  if (pins !== undefined)
    await list.run(
      'token.pinned',
      [key && keys],
      (candidates: readonly Jwk[]) => requirePinned(keyNamed({ keys: candidates, kid, unnamed }), { ...pins, at }),
      (names) => names,
    )
  return { keys, key, unnamed }
}

/** Main token and detached ones name each other by digest: none may be exchanged, or left over from another bundle. */
async function checkBundle(list: Checklist, token: string, claims: Claims, bundle: TokenBundle): Promise<void> {
  const digests = detachedDigests(claims)
  if (digests === undefined) {
    if (bundle.named === undefined || claims['measres'] === undefined) return
    const own = await tokenDigest(token)
    await list.run('token.bundle', [bundle.named], (named: ReadonlySet<string>) => requireNamed(own, named))
    return
  }
  if (bundle.given.size < 2) {
    list.skip('token.bundle', 'The detached tokens that it names were not given', { optional: true })
    return
  }
  await list.run('token.bundle', [digests], (named: string[]) => {
    for (const each of named) requireNamed(each, bundle.given)
  })
}

function requireNamed(own: string, named: ReadonlySet<string>): void {
  if (named.has(own)) return
  const facts = { expected: [...named].join(', '), found: own }
  throw new VerificationError({
    code: 'BindingMismatch',
    message: 'Token is not of the same bundle',
    subject: 'token',
    ...facts,
  })
}

/** Claims in which NVIDIA's and Intel's services report, under a valid signature, that the evidence failed. */
function resultFailures(claims: Claims): Failure[] {
  const rules: [path: string, bad: (value: unknown) => boolean, expected: string][] = [
    ['x-nvidia-overall-att-result', (value) => value !== true, 'true'],
    ['measres', (value) => value !== 'success', 'success'],
  ]
  return rules.flatMap(([path, bad, expected]): Failure[] => {
    const value = claimAt(claims, path)
    if (value === undefined || !bad(value)) return []
    return [{ path, code: 'Forbidden', expected, actual: JSON.stringify(value).slice(0, 64) }]
  })
}

/** Claims below the floor for evidence that is given itself, except where a rule names the claim and its value. */
function weakClaims(claims: Claims, wanted: ClaimRules = {}): Failure[] {
  return guestClaims(claims).flatMap(({ path, value, expected, holds }): Failure[] => {
    if (holds || (Object.hasOwn(wanted, path) && wanted[path] === value)) return []
    return [{ path, code: 'Forbidden', expected, actual: JSON.stringify(value).slice(0, 64) }]
  })
}

/** Where an issuer publishes its keys. The name comes from the token itself: the caller must know the issuer before fetching. */
function keysSource(claims: Claims): string {
  const name = String(claims['iss'])
  if (isEar(claims))
    return 'this is an attestation result (EAR); get its verifier’s public key, as PEM, JWK or JWKS, from whoever runs it'
  if (name === 'https://nras.attestation.nvidia.com') return `get them from ${name}/.well-known/jwks.json`
  if (!/^https:\/\/[\w.:-]{1,200}$/.test(name)) return 'get them from the issuer'
  return `if you trust ${name}, get them from ${name}/certs`
}

/** Report data that an attestation token names; in tokens of guest attestation, SNP's are one level deeper. */
function reportDataOf(claims: Readonly<Claims>): string | undefined {
  const named = [
    'x-ms-sevsnpvm-reportdata',
    'x-ms-isolation-tee.x-ms-sevsnpvm-reportdata',
    'tdx_report_data',
    'tdx.tdx_report_data',
  ]
  const found = named.map((path) => claimAt(claims, path)).find((value) => typeof value === 'string')
  return typeof found === 'string' ? found.toLowerCase() : undefined
}

function requireGiven(named: string, given: readonly string[]): void {
  if (given.includes(named)) return
  throw new VerificationError({
    code: 'BindingMismatch',
    message: 'The token is about another hardware report than was given',
    subject: 'token',
    expected: named,
    found: given.join(', '),
  })
}

/**
 * Compares claims with required values. Returns every failure.
 * @example
 * import { appraiseTokenClaims } from '@strongroom/evidence'
 *
 * const claims = { 'x-ms-attestation-type': 'sevsnpvm', secureboot: true }
 * appraiseTokenClaims(claims, { 'x-ms-attestation-type': 'sevsnpvm' }) // => []
 * const failures = appraiseTokenClaims(claims, { secureboot: false, team: 'a' })
 * failures.map(({ path, code }) => `${path}: ${code}`) // => ['secureboot: NotEqual', 'team: Missing']
 */
export function appraiseTokenClaims(claims: Readonly<Claims>, rules: ClaimRules): Failure[] {
  const failures: Failure[] = []
  for (const [path, expected] of Object.entries(rules)) {
    const found = claimAt(claims, path)
    if (found === expected) continue
    const actual = JSON.stringify(found) ?? 'absent'
    failures.push({
      path,
      code: found === undefined ? 'Missing' : 'NotEqual',
      expected: String(expected),
      actual: actual.slice(0, 256),
    })
  }
  return failures
}

/** The value at a path; names may contain dots themselves, as in `submods.cpu0.ear.status`. */
function claimAt(claims: unknown, path: string): unknown {
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) return undefined
  if (Object.hasOwn(claims, path)) return (claims as Claims)[path]
  for (let dot = path.lastIndexOf('.'); dot > 0; dot = path.lastIndexOf('.', dot - 1)) {
    const name = path.slice(0, dot)
    if (Object.hasOwn(claims, name)) return claimAt((claims as Claims)[name], path.slice(dot + 1))
  }
  return undefined
}

/**
 * Checks a vault's release response check by check.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { checkKeyRelease, firstFailure, genuineVaultAnchors, vaultSigner } from '@strongroom/evidence'
 *
 * const { value: jws } = JSON.parse(await readFile('release.json', 'utf8'))
 * const o = { jws, roots: genuineVaultAnchors, signer: vaultSigner }
 * const { check } = await checkKeyRelease({ ...o, at: new Date('2022-12-24') })
 * check.outcome // => 'passed'
 * const late = await checkKeyRelease({ ...o, at: new Date('2030-01-01') })
 * firstFailure(late.check)?.code // => 'CertificateExpired'
 */
export async function checkKeyRelease(o: SignerRules & { jws: string; at: Date }): Promise<Checked<VerifiedRelease>> {
  const list = new Checklist()
  let jws: Jws | undefined
  const chain = await list.run(
    'release.format',
    [],
    () => {
      jws = parseJws(o.jws)
      requireHeader(jws)
      return certificatesOf(jws.header)
    },
    (certificates) => certificates.map((certificate) => certificate.subject.commonName).join(' ← '),
  )
  const root = await list.run(
    'release.signer',
    [jws, chain],
    (parsed: Jws, certificates: Certificate[]) => verifySigner(parsed, certificates, o),
    (anchor: TrustAnchor) => anchor.name,
  )
  const algorithm = await list.run(
    'release.signature',
    [jws, chain],
    (parsed: Jws, certificates: Certificate[]) =>
      verifySignerSignature(parsed, certificates[0] as Certificate, o.algorithms ?? azureTokenAlgorithms),
    (name) => name,
  )
  const release = await list.run(
    'release.answer',
    [jws],
    (parsed: Jws) => readKeyRelease(parsed.payload),
    (answer) => `${answer.keyId}, wrapped for ${answer.wrappedFor} by ${answer.wrapping}`,
  )
  const value = list.whole
    ? { jws: jws!, chain: chain!, root: root!, algorithm: algorithm!, release: release! }
    : undefined
  return { check: list.all('release'), value }
}
