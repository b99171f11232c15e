import { derTag, type DerReader } from '../core/der/der-reader.ts'
import { readOid, readSmallInteger } from '../core/der/der-values.ts'
import { oid } from './oids.ts'

export type SignatureHash = 'SHA-256' | 'SHA-384' | 'SHA-512'

/** Signature algorithms that vendors of evidence use. SHA-1 is not among them. */
export type SignatureAlgorithm =
  | { kind: 'RSA-PSS'; hash: SignatureHash; saltLength: number }
  | { kind: 'RSA-PKCS1'; hash: SignatureHash }
  | { kind: 'ECDSA'; hash: SignatureHash }

const hashes: ReadonlyMap<string, SignatureHash> = new Map([
  [oid.sha256, 'SHA-256'],
  [oid.sha384, 'SHA-384'],
  [oid.sha512, 'SHA-512'],
])

const plain: ReadonlyMap<string, SignatureAlgorithm> = new Map<string, SignatureAlgorithm>([
  [oid.sha256WithRsa, { kind: 'RSA-PKCS1', hash: 'SHA-256' }],
  [oid.sha384WithRsa, { kind: 'RSA-PKCS1', hash: 'SHA-384' }],
  [oid.sha512WithRsa, { kind: 'RSA-PKCS1', hash: 'SHA-512' }],
  [oid.ecdsaWithSha256, { kind: 'ECDSA', hash: 'SHA-256' }],
  [oid.ecdsaWithSha384, { kind: 'ECDSA', hash: 'SHA-384' }],
  [oid.ecdsaWithSha512, { kind: 'ECDSA', hash: 'SHA-512' }],
])

/** AlgorithmIdentifier of a signature (RFC 5280 section 4.1.1.2; RSASSA-PSS parameters: RFC 4055 section 3.1). */
export function readSignatureAlgorithm(reader: DerReader, field: string): SignatureAlgorithm {
  const identifier = reader.sequence(field)
  const name = readOid(identifier, `${field} name`)
  if (name === oid.rsassaPss) {
    const algorithm = readPss(identifier.sequence('RSASSA-PSS parameters'))
    identifier.end()
    return algorithm
  }
  const algorithm = plain.get(name)
  if (algorithm === undefined) return reader.fail('UnknownType', `${field} is not supported`, undefined, name)
  // RSA identifiers carry NULL (RFC 4055 section 5); ECDSA identifiers carry nothing (RFC 5758 section 3.2).
  if (algorithm.kind === 'RSA-PKCS1') readNull(identifier)
  identifier.end()
  return algorithm
}

function readPss(parameters: DerReader): SignatureAlgorithm {
  // The defaults mean SHA-1, so an absent field makes the algorithm unsupported.
  const hash = readHash(tagged(parameters, 0, 'hash algorithm'))
  const mask = tagged(parameters, 1, 'mask generation').sequence('mask generation')
  if (readOid(mask, 'mask generation') !== oid.mgf1) mask.fail('UnknownType', 'mask generation is not MGF1')
  const maskHash = readHash(mask)
  mask.end()
  if (maskHash !== hash) parameters.fail('InvalidValue', 'mask generation uses another hash', hash, maskHash)
  const saltLength = readSmallInteger(tagged(parameters, 2, 'salt length'), 'salt length', 64)
  if (parameters.peek() === derTag.context(3, true)) {
    // The default value written out, which DER forbids but AMD's certificates contain.
    readSmallInteger(tagged(parameters, 3, 'trailer field'), 'trailer field', 1)
  }
  parameters.end()
  return { kind: 'RSA-PSS', hash, saltLength }
}

function tagged(reader: DerReader, tag: number, field: string): DerReader {
  return reader.enter(reader.expect(derTag.context(tag, true), field), field)
}

function readHash(reader: DerReader): SignatureHash {
  const identifier = reader.sequence('hash algorithm')
  const name = readOid(identifier, 'hash algorithm')
  if (!identifier.atEnd) readNull(identifier)
  identifier.end()
  const hash = hashes.get(name)
  if (hash === undefined) return reader.fail('UnknownType', 'hash algorithm is not supported', undefined, name)
  return hash
}

function readNull(reader: DerReader): void {
  const value = reader.expect(derTag.null, 'parameters')
  if (value.content.length !== 0) reader.fail('WrongLength', 'NULL is not empty')
}
