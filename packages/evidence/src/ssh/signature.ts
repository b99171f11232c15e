import { ByteReader } from '../core/bytes/byte-reader.ts'
import { fromBase64, toBase64Url } from '../core/bytes/base64.ts'
import { concat, equal, utf8 } from '../core/bytes/bytes.ts'
import { digest, forWebCrypto } from '../core/bytes/digest.ts'
import { ParseError, VerificationError } from '../core/errors.ts'

const magic = utf8('SSHSIG')
const hashes = { sha256: 'SHA-256', sha512: 'SHA-512' } as const
const rsaHashes: Record<string, 'SHA-256' | 'SHA-512'> = { 'rsa-sha2-256': 'SHA-256', 'rsa-sha2-512': 'SHA-512' }
const curves: Record<string, { curve: string; hash: 'SHA-256' | 'SHA-384' | 'SHA-512'; bytes: number }> = {
  'ecdsa-sha2-nistp256': { curve: 'P-256', hash: 'SHA-256', bytes: 32 },
  'ecdsa-sha2-nistp384': { curve: 'P-384', hash: 'SHA-384', bytes: 48 },
  'ecdsa-sha2-nistp521': { curve: 'P-521', hash: 'SHA-512', bytes: 66 },
}

/** A signature by `ssh-keygen -Y sign` (OpenSSH, PROTOCOL.sshsig), read and not verified. */
export interface SshSignature {
  /** As in the second field of authorized_keys, decoded. */
  publicKey: Uint8Array
  namespace: string
  hash: 'sha256' | 'sha512'
  algorithm: string
  signature: Uint8Array
}

/**
 * Reads an SSH signature, armoured or as the base64 inside the armour.
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseSshSignature } from '@strongroom/evidence'
 *
 * const { namespace, algorithm } = parseSshSignature(await readFile('script.sig', 'utf8'))
 * namespace // => 'file'
 * algorithm // => 'ssh-ed25519'
 */
export function parseSshSignature(text: string): SshSignature {
  const body = text.replace(/-----(BEGIN|END) SSH SIGNATURE-----/g, '').replace(/\s/g, '')
  const reader = new ByteReader(fromBase64(body), 'SSH signature')
  const found = reader.bytes(magic.length, 'magic')
  if (!equal(found, magic)) throw new ParseError({ code: 'WrongMagic', message: 'SSH signature: not SSHSIG' })
  const version = reader.u32be('version')
  if (version !== 1)
    throw new ParseError({
      code: 'UnknownVersion',
      message: 'SSH signature: version',
      expected: '1',
      found: String(version),
    })
  const publicKey = sized(reader, 'public key')
  const namespace = textOf(sized(reader, 'namespace'), 'namespace')
  sized(reader, 'reserved')
  const hash = textOf(sized(reader, 'hash'), 'hash')
  if (hash !== 'sha256' && hash !== 'sha512')
    throw new ParseError({
      code: 'UnknownType',
      message: 'SSH signature: hash',
      expected: 'sha256 or sha512',
      found: hash.slice(0, 40),
    })
  const inner = new ByteReader(sized(reader, 'signature'), 'SSH signature: signature')
  reader.end()
  const algorithm = textOf(sized(inner, 'algorithm'), 'algorithm')
  const signature = sized(inner, 'value')
  inner.end()
  return { publicKey, namespace, hash, algorithm, signature }
}

/**
 * Verifies an SSH signature over a message against accepted keys. Ed25519, ECDSA and RSA with SHA-2; a line of a
 * security key (`sk-…`) verifies nothing here.
 * @param o.signature of `ssh-keygen -Y sign`
 * @param o.keys lines of authorized_keys without options
 * @returns the line of the key that signed
 * @throws ParseError, VerificationError SigningKeyMismatch, AlgorithmNotAllowed, TokenSignatureInvalid
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { verifySshSignature } from '@strongroom/evidence'
 *
 * const keys = [await readFile('id_ed25519.pub', 'utf8')]
 * const signature = await readFile('script.sig', 'utf8')
 * const line = await verifySshSignature({ message: await readFile('script'), signature, namespace: 'file', keys })
 * line === keys[0] // => true
 */
export async function verifySshSignature(o: {
  message: Uint8Array
  signature: string
  namespace: string
  keys: readonly string[]
}): Promise<string> {
  const read = parseSshSignature(o.signature)
  if (read.namespace !== o.namespace)
    throw new VerificationError({
      code: 'BindingMismatch',
      message: 'The SSH signature was made for another purpose',
      subject: 'signature',
      expected: o.namespace,
      found: read.namespace.slice(0, 80),
    })
  const line = o.keys.find((each) => isKey(each, read.publicKey))
  if (line === undefined)
    throw new VerificationError({
      code: 'SigningKeyMismatch',
      message: 'The SSH signature is by none of the keys that count',
      subject: 'signature',
      expected: `one of ${o.keys.length} keys`,
      found: 'another key',
    })
  const hashed = await digest(hashes[read.hash], o.message)
  const signed = concat(
    magic,
    field(utf8(read.namespace)),
    field(new Uint8Array()),
    field(utf8(read.hash)),
    field(hashed),
  )
  if (await holds(read, signed)) return line
  throw new VerificationError({
    code: 'TokenSignatureInvalid',
    message: 'The SSH signature does not verify',
    subject: 'signature',
  })
}

function isKey(line: string, publicKey: Uint8Array): boolean {
  const [, encoded = ''] = line.trim().split(/\s+/)
  try {
    return equal(fromBase64(encoded), publicKey)
  } catch {
    return false
  }
}

async function holds({ publicKey, algorithm, signature }: SshSignature, signed: Uint8Array): Promise<boolean> {
  const key = new ByteReader(publicKey, 'SSH public key')
  const type = textOf(sized(key, 'type'), 'type')
  const verify = async (
    imported: { jwk: JsonWebKey; algorithm: Parameters<SubtleCrypto['importKey']>[2] },
    how: Parameters<SubtleCrypto['verify']>[0],
    value: Uint8Array,
  ): Promise<boolean> => {
    const cryptoKey = await crypto.subtle.importKey('jwk', imported.jwk, imported.algorithm, false, ['verify'])
    return await crypto.subtle.verify(how, cryptoKey, forWebCrypto(value), forWebCrypto(signed))
  }
  if (type === 'ssh-ed25519' && algorithm === type) {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: toBase64Url(sized(key, 'key')) }
    key.end()
    return await verify({ jwk, algorithm: 'Ed25519' }, 'Ed25519', signature)
  }
  const rsaHash = rsaHashes[algorithm]
  if (type === 'ssh-rsa' && rsaHash !== undefined) {
    const [e, n] = [unsigned(sized(key, 'e')), unsigned(sized(key, 'n'))]
    key.end()
    const how = { name: 'RSASSA-PKCS1-v1_5', hash: rsaHash }
    return await verify({ jwk: { kty: 'RSA', n: toBase64Url(n), e: toBase64Url(e) }, algorithm: how }, how, signature)
  }
  const curve = curves[type]
  if (curve !== undefined && algorithm === type) {
    sized(key, 'curve')
    const point = sized(key, 'point')
    key.end()
    if (point.length !== 1 + 2 * curve.bytes || point[0] !== 4)
      throw new ParseError({ code: 'InvalidValue', message: 'SSH public key: point' })
    const [x, y] = [point.subarray(1, 1 + curve.bytes), point.subarray(1 + curve.bytes)]
    const jwk = { kty: 'EC', crv: curve.curve, x: toBase64Url(x), y: toBase64Url(y) }
    const pair = new ByteReader(signature, 'SSH signature: ECDSA')
    const [r, s] = [unsigned(sized(pair, 'r')), unsigned(sized(pair, 's'))]
    pair.end()
    if (r.length > curve.bytes || s.length > curve.bytes) return false
    const raw = new Uint8Array(2 * curve.bytes)
    raw.set(r, curve.bytes - r.length)
    raw.set(s, 2 * curve.bytes - s.length)
    const algorithms = { name: 'ECDSA', namedCurve: curve.curve, hash: curve.hash }
    return await verify({ jwk, algorithm: algorithms }, algorithms, raw)
  }
  throw new VerificationError({
    code: 'AlgorithmNotAllowed',
    message: 'The SSH key is of a kind that is not verified here',
    subject: 'signature',
    expected: 'ssh-ed25519, ecdsa-sha2-nistp256, -384, -521, or ssh-rsa with SHA-2',
    found: `${type.slice(0, 60)} with ${algorithm.slice(0, 60)}`,
  })
}

const sized = (reader: ByteReader, name: string): Uint8Array => reader.bytes(reader.u32be(`${name} length`), name)

function field(bytes: Uint8Array): Uint8Array {
  const length = new Uint8Array(4)
  new DataView(length.buffer).setUint32(0, bytes.length)
  return concat(length, bytes)
}

/** An mpint without its sign's zero. */
const unsigned = (bytes: Uint8Array): Uint8Array => (bytes[0] === 0 ? bytes.subarray(1) : bytes)

function textOf(bytes: Uint8Array, name: string): string {
  const value = new TextDecoder('latin1').decode(bytes)
  if (/^[\x20-\x7e]*$/.test(value)) return value
  throw new ParseError({ code: 'InvalidEncoding', message: `SSH signature: ${name} is not text` })
}
