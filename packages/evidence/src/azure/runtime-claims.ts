import { equal } from '../core/bytes/bytes.ts'
import { fromHex, toHex } from '../core/bytes/hex.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import { readJsonObject } from '../tokens/json.ts'
import { eccKeyFromJwk, requireAttestationKey, tpmKeyFromJwk, type TpmPublicKey } from '../tpm/public.ts'

/** Name of the attestation key among the claims' keys. */
const attestationKeyId = 'HCLAkPub'

/**
 * Claims that the paravisor binds to the hardware report: its keys and the VM's configuration (OpenVMM
 * `runtime_claims`).
 */
export interface RuntimeClaims {
  /** The exact bytes. */
  raw: Uint8Array
  keys: readonly Readonly<Record<string, unknown>>[]
  /** `secure-boot`, `tpm-enabled`, `vmUniqueId` and others; older paravisors write fewer. */
  configuration: Readonly<Record<string, unknown>>
  /** What the guest bound through NV index 0x01400002: 64 bytes, absent from older paravisors. */
  userData: Uint8Array | undefined
}

/**
 * Parses runtime claims; each name may occur once. @throws ParseError Missing, InvalidValue, InvalidEncoding, Duplicate
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseHclReport, parseRuntimeClaims } from '@strongroom/evidence'
 *
 * const { claims } = parseHclReport(await readFile('azure/hcl-report.bin'))
 * const { keys, configuration } = parseRuntimeClaims(claims)
 * keys.map((key) => key['kid']) // => ['HCLAkPub', 'HCLEkPub']
 * configuration['secure-boot'] // => true
 */
export function parseRuntimeClaims(bytes: Uint8Array): RuntimeClaims {
  const claims = readJsonObject(bytes, 'runtime claims')
  const keys = claims['keys']
  if (!Array.isArray(keys) || keys.length > 16) {
    throw new ParseError({ code: 'Missing', message: 'Runtime claims have no keys', expected: 'at most 16 keys' })
  }
  const configuration = claims['vm-configuration'] ?? {}
  if (typeof configuration !== 'object' || Array.isArray(configuration)) {
    throw new ParseError({ code: 'InvalidValue', message: 'Runtime claims: vm-configuration is not an object' })
  }
  const text = claims['user-data']
  if (text !== undefined && typeof text !== 'string') {
    throw new ParseError({ code: 'InvalidValue', message: 'Runtime claims: user-data is not text' })
  }
  return {
    raw: bytes,
    keys: keys.map((key: unknown) => {
      if (typeof key !== 'object' || key === null || Array.isArray(key)) {
        throw new ParseError({ code: 'InvalidValue', message: 'Runtime claims: an entry of keys is not a key' })
      }
      return key as Record<string, unknown>
    }),
    configuration: configuration as Record<string, unknown>,
    userData: text === undefined || text === '' ? undefined : fromHex(text.toLowerCase()),
  }
}

/**
 * The single attestation key in the claims. @throws ParseError Missing, Duplicate, UnknownType
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { attestationKeyOf, describeKey, parseHclReport, parseRuntimeClaims } from '@strongroom/evidence'
 *
 * const { claims } = parseHclReport(await readFile('azure/hcl-report.bin'))
 * describeKey(attestationKeyOf(parseRuntimeClaims(claims))) // => 'RSA-2048 a91ecba800010dccd90c827187862e38…'
 */
export function attestationKeyOf(claims: RuntimeClaims): TpmPublicKey {
  const named = claims.keys.filter((key) => key['kid'] === attestationKeyId)
  const [key] = named
  if (key === undefined)
    throw new ParseError({ code: 'Missing', message: `Runtime claims have no ${attestationKeyId}` })
  if (named.length > 1) {
    throw new ParseError({ code: 'Duplicate', message: `Runtime claims have ${attestationKeyId} more than once` })
  }
  return key['kty'] === 'EC' ? eccKeyFromJwk(key) : tpmKeyFromJwk(key)
}

/**
 * Checks that a TPM public area is that of an attestation key, and of the key bound by the claims.
 * @throws VerificationError TpmKeyNotAllowed, BindingMismatch; ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { attestationKeyOf, fromBase64Url, parseRuntimeClaims, requireSameKey, toBase64Url, tpmKeyFromJwk } from '@strongroom/evidence'
 *
 * const boot = JSON.parse(await readFile('boot.json', 'utf8'))
 * const akPublic = fromBase64Url(boot.vtpm.akPublic)
 * const claimed = attestationKeyOf(parseRuntimeClaims(fromBase64Url(boot.runtimeClaims)))
 * requireSameKey(akPublic, claimed) // => undefined
 * const another = tpmKeyFromJwk({ kty: 'RSA', n: toBase64Url(new Uint8Array(256).fill(0xc1)), e: 'AQAB' })
 * requireSameKey(akPublic, another) // throws VerificationError BindingMismatch
 */
export function requireSameKey(akPublic: Uint8Array, claimed: TpmPublicKey): void {
  const key = requireAttestationKey(akPublic)
  if (sameKey(key, claimed)) return
  throw new VerificationError({
    code: 'BindingMismatch',
    message: 'The attestation key is not the one that the hardware bound',
    expected: describeKey(claimed),
    found: describeKey(key),
  })
}

/** True if both are the same key. */
export function sameKey(left: TpmPublicKey, right: TpmPublicKey): boolean {
  if (left.kind === 'rsa')
    return right.kind === 'rsa' && equal(left.modulus, right.modulus) && left.exponent === right.exponent
  return right.kind === 'ecc' && left.curve === right.curve && equal(left.x, right.x) && equal(left.y, right.y)
}

/**
 * Short form of a key, for display.
 * @example
 * import { describeKey, toBase64Url, tpmKeyFromJwk } from '@strongroom/evidence'
 *
 * const key = tpmKeyFromJwk({ kty: 'RSA', n: toBase64Url(new Uint8Array(256).fill(0xc1)), e: 'AQAB' })
 * describeKey(key) // => 'RSA-2048 c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1…'
 */
export function describeKey(key: TpmPublicKey): string {
  return key.kind === 'rsa'
    ? `RSA-${key.modulus.length * 8} ${toHex(key.modulus).slice(0, 32)}…`
    : `${key.curve} ${toHex(key.x)}`
}
