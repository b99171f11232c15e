import { fromBase64Url } from '../core/bytes/base64.ts'
import { utf8 } from '../core/bytes/bytes.ts'
import { ParseError } from '../core/errors.ts'
import { readJsonObject } from './json.ts'

/** A token of Azure Attestation has about 3 KiB, a response of Key Vault 18 KiB. */
const maximumLength = 256 * 1024

/** JSON Web Signature in compact form (RFC 7515 section 7.1), read and not verified. */
export interface Jws {
  header: Record<string, unknown>
  payload: Uint8Array
  /** What the signature covers: the two encoded parts, unchanged. */
  signingInput: Uint8Array
  signature: Uint8Array
}

/**
 * Reads a compact JWS. Each part must be in canonical form, so that one token has one text.
 * @throws ParseError WrongLength (parts), TooLarge, InvalidEncoding, Duplicate, Missing (alg), InvalidValue (b64, an
 * unsigned payload)
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseJws, readJsonObject } from '@strongroom/evidence'
 *
 * const { header, payload } = parseJws((await readFile('token.jwt', 'utf8')).trim())
 * header['alg'] // => 'RS256'
 * readJsonObject(payload, 'token')['x-ms-attestation-type'] // => 'azurevm'
 */
export function parseJws(text: string): Jws {
  if (text.length > maximumLength) {
    throw new ParseError({ code: 'TooLarge', message: 'Token is too large', expected: `at most ${maximumLength}` })
  }
  const parts = text.split('.')
  const [header, payload, signature] = parts
  if (parts.length !== 3 || header === undefined || payload === undefined || signature === undefined) {
    const [expected, found] = ['3 parts', `${parts.length}`]
    throw new ParseError({ code: 'WrongLength', message: 'Token is not a compact JWS', expected, found })
  }
  const members = readJsonObject(fromBase64Url(header), 'token header')
  if (typeof members['alg'] !== 'string') {
    throw new ParseError({ code: 'Missing', message: 'Token header names no algorithm' })
  }
  // RFC 7797 changes what is signed; no issuer of evidence uses it.
  if (Object.hasOwn(members, 'b64')) throw new ParseError({ code: 'InvalidValue', message: 'Token header has b64' })
  return {
    header: members,
    payload: fromBase64Url(payload),
    signingInput: utf8(`${header}.${payload}`),
    signature: fromBase64Url(signature),
  }
}
