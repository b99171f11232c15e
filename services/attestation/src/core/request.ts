import { createHash } from 'node:crypto'
import type { AttestedData } from '@strongroom/contract'
import { textOf } from './text.ts'
import { invalidParameter } from './errors.ts'

/** Runtime or init-time data after decoding. */
export interface BoundData {
  bytes: Uint8Array
  dataType: 'JSON' | 'Binary'
  /** Parsed if it is JSON. */
  json?: unknown
}

const dataLimit = 64 * 1024
const nonceLimit = 1024
const depthLimit = 32

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function objectBody(body: unknown): Record<string, unknown> {
  if (isObject(body)) return body
  throw invalidParameter({
    target: 'body',
    message: 'The body of the request is not a JSON object.',
    expected: 'a JSON object',
  })
}

/** The body of a call: an object shallow enough to be printed. @throws ServiceError InvalidParameter */
export function callBody(body: unknown): Record<string, unknown> {
  const object = objectBody(body)
  if (depthOf(object, depthLimit) <= depthLimit) return object
  throw invalidParameter({
    target: 'body',
    message: 'The body of the request is nested too deeply.',
    expected: `JSON, at most ${depthLimit} deep`,
  })
}

/** @throws ServiceError InvalidParameter if it is absent or not base64 of either alphabet */
export function bytesOf(value: unknown, target: string): Uint8Array {
  if (typeof value !== 'string' || value === '')
    throw invalidParameter({ target, message: `${target} is missing.`, expected: 'base64url text' })
  // Clients differ: the SDKs send base64url without padding, the guest library sends base64 in places.
  const alphabet = /[+/=]/.test(value) ? 'base64' : 'base64url'
  const bytes = Buffer.from(value, alphabet)
  if (!isExact(value, alphabet, bytes))
    throw invalidParameter({ target, message: `${target} is not base64url.`, expected: 'base64url text' })
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/**
 * Whether the bytes re-encode to this exact text, with or without padding: Node skips unknown characters and accepts
 * either alphabet. A text with skipped characters yields fewer bytes than its length implies; only its last characters
 * are ambiguous.
 */
function isExact(value: string, alphabet: 'base64' | 'base64url', bytes: Buffer): boolean {
  const padding = value.endsWith('==') ? 2 : value.endsWith('=') ? 1 : 0
  const digits = value.length - padding
  if (padding > 0 && value.length % 4 !== 0) return false
  if (bytes.length !== Math.floor((digits * 3) / 4)) return false
  if (alphabet === 'base64' && /[-_]/.test(value)) return false
  const [wholeBytes, wholeDigits] = [bytes.length - (bytes.length % 3), digits - (digits % 4)]
  return bytes.toString(alphabet, wholeBytes).slice(0, digits - wholeDigits) === value.slice(wholeDigits, digits)
}

/** Undefined if there is none. @throws ServiceError InvalidParameter */
export function boundData(value: unknown, target: string): BoundData | undefined {
  if (value === undefined || value === null) return undefined
  const { data, dataType } = objectBody(value) as Partial<AttestedData>
  if (dataType !== 'JSON' && dataType !== 'Binary') {
    throw invalidParameter({
      target: `${target}.dataType`,
      message: `${target}.dataType is unknown.`,
      expected: 'JSON or Binary',
      found: JSON.stringify(dataType) ?? 'nothing',
    })
  }
  // Azure's Rust library sends empty text for absent runtime data: nothing is bound, as without the member. Empty
  // init-time data is a claim about the hardware's field for it.
  if (data === '' && target === 'runtimeData') return undefined
  const bytes = bytesOf(data, `${target}.data`)
  if (bytes.length > dataLimit) {
    throw invalidParameter({
      target: `${target}.data`,
      message: `${target}.data is too large.`,
      expected: `at most ${dataLimit} bytes`,
      found: `${bytes.length} bytes`,
    })
  }
  if (dataType === 'Binary') return { bytes, dataType }
  return { bytes, dataType, json: jsonOf(bytes, `${target}.data`) }
}

/** @throws ServiceError InvalidParameter if the bytes are not JSON in UTF-8, or nested too deep to be printed */
export function jsonOf(bytes: Uint8Array, target: string): unknown {
  try {
    const json = JSON.parse(textOf(bytes)) as unknown
    if (depthOf(json, depthLimit) > depthLimit) throw new RangeError(`nested more than ${depthLimit} deep`)
    return json
  } catch (cause) {
    throw invalidParameter({
      target,
      message: `${target} is not JSON.`,
      expected: `UTF-8 JSON, at most ${depthLimit} deep`,
      cause,
    })
  }
}

/** @throws ServiceError InvalidParameter */
export function jsonObject(bytes: Uint8Array, target: string): Record<string, unknown> {
  const json = jsonOf(bytes, target)
  if (isObject(json)) return json
  throw invalidParameter({ target, message: `${target} is not a JSON object.`, expected: 'base64url of a JSON object' })
}

/** Counts no further than the limit: values parsed without recursion may be too deep to print. */
function depthOf(value: unknown, limit: number): number {
  if (typeof value !== 'object' || value === null) return 0
  if (limit < 0) return 1
  let deepest = 0
  for (const item of Object.values(value)) deepest = Math.max(deepest, depthOf(item, limit - 1))
  return deepest + 1
}

export function nonceOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string' && value.length <= nonceLimit) return value
  throw invalidParameter({
    target: 'nonce',
    message: 'The nonce is invalid.',
    expected: `text of at most ${nonceLimit} characters`,
  })
}

/**
 * The link between hardware and data: the field starts with the digest of the exact bytes; the rest is zero.
 * @throws ServiceError InvalidParameter
 */
export function checkBinding(o: {
  data: BoundData
  field: Uint8Array
  hash: 'sha256' | 'sha384'
  target: string
  fieldName: string
}): void {
  const digest = createHash(o.hash).update(o.data.bytes).digest()
  const expected = Buffer.concat([digest, Buffer.alloc(o.field.length - digest.length)])
  if (expected.equals(o.field)) return
  throw invalidParameter({
    target: o.target,
    message: `The evidence is not bound to ${o.target}: ${o.fieldName} holds a different digest.`,
    expected: expected.toString('hex'),
    found: Buffer.from(o.field).toString('hex'),
    reason: 'BindingMismatch',
    remedy: `Send the exact bytes whose ${o.hash.toUpperCase().replace('SHA', 'SHA-')} was put into ${o.fieldName}.`,
  })
}
