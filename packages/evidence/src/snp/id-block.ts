import { ByteReader } from '../core/bytes/byte-reader.ts'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { concat, equal, isZero, reversed } from '../core/bytes/bytes.ts'
import { digest } from '../core/bytes/digest.ts'
import { fromHex, toHex } from '../core/bytes/hex.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import type { VerifyContext } from '../x509/verify-context.ts'
import { verifyRawEcdsa } from '../x509/verify-signature.ts'
import { parsePublicKey, type PublicKey } from '../x509/public-key.ts'
import type { SnpReport } from './report.ts'

/** ID_BLOCK (AMD 56860, SNP_LAUNCH_FINISH): what a guest's owner signs before it starts. */
export interface SnpIdBlock {
  /** 48 bytes. */
  launchDigest: Uint8Array
  /** 16 bytes each. */
  familyId: Uint8Array
  imageId: Uint8Array
  guestSvn: number
  /** GUEST_POLICY. */
  policy: bigint
}

/** ID_AUTH_INFO: the signature over the ID block, and the author's signature over the ID key. */
export interface SnpIdAuthentication {
  idKey: SnpOwnerKey
  /** r and s, 48 bytes each, most significant byte first. */
  blockSignature: Uint8Array
  /** Absent if no author vouches for the ID key. */
  author?: { key: SnpOwnerKey; signature: Uint8Array }
}

/** A P-384 key in AMD's form (AMD 56860, ECDSA public key format). */
export interface SnpOwnerKey {
  /** 1028 bytes, over which reports' key digests are computed. */
  raw: Uint8Array
  /** DER SubjectPublicKeyInfo. */
  spki: Uint8Array
}

/** A signer with a P-384 key. */
export interface SnpOwner {
  /** DER SubjectPublicKeyInfo. */
  spki: Uint8Array
  /** ECDSA with SHA-384; r and s, 48 bytes each, most significant byte first. */
  sign(data: Uint8Array): Promise<Uint8Array>
}

const snpIdAuthenticationLength = 4096
const keyLength = 1028
const signatureLength = 512
const curveP384 = 2
const ecdsaP384 = 1
const blockVersion = 1
/** SubjectPublicKeyInfo of a P-384 key up to the point's coordinates (RFC 5480). */
const spkiPrefix = fromHex('3076301006072a8648ce3d020106052b8104002203620004')

/**
 * Writes an ID block. @throws RangeError for parts of the wrong length
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { buildSnpIdBlock, parseSnpIdBlock, snpLaunchDigest } from '@strongroom/evidence/expected'
 *
 * const launchDigest = await snpLaunchDigest({ firmware: await readFile('ovmf.fd'), vCPUs: 2, vcpuType: 'EPYC-Milan' })
 * const block = buildSnpIdBlock({ launchDigest, policy: 0x3_0000n, guestSvn: 3 })
 * block.length // => 96
 * parseSnpIdBlock(block).guestSvn // => 3
 */
export function buildSnpIdBlock(o: Pick<SnpIdBlock, 'launchDigest' | 'policy'> & Partial<SnpIdBlock>): Uint8Array {
  const part = (bytes: Uint8Array, length: number): Uint8Array => {
    if (bytes.length === length) return bytes
    throw new RangeError(`Part of an ID block has ${bytes.length} bytes instead of ${length}`)
  }
  return new ByteWriter()
    .bytes(part(o.launchDigest, 48))
    .bytes(part(o.familyId ?? new Uint8Array(16), 16))
    .bytes(part(o.imageId ?? new Uint8Array(16), 16))
    .u32le(blockVersion)
    .u32le(o.guestSvn ?? 0)
    .u64le(o.policy)
    .finish()
}

/**
 * Reads an ID block. @throws ParseError WrongLength, UnknownVersion
 * @example
 * import { buildSnpIdBlock, parseSnpIdBlock } from '@strongroom/evidence/expected'
 *
 * const { policy, guestSvn } = parseSnpIdBlock(buildSnpIdBlock({ launchDigest: new Uint8Array(48), policy: 0x3_0000n }))
 * policy // => 0x3_0000n
 * guestSvn // => 0
 */
export function parseSnpIdBlock(bytes: Uint8Array): SnpIdBlock {
  const reader = new ByteReader(Uint8Array.from(bytes), 'ID block')
  const launchDigest = reader.bytes(48, 'launch digest')
  const familyId = reader.bytes(16, 'family id')
  const imageId = reader.bytes(16, 'image id')
  const version = reader.u32le('version')
  if (version !== blockVersion) {
    throw new ParseError({
      code: 'UnknownVersion',
      message: 'ID block has a version that is not known',
      offset: 80,
      expected: `${blockVersion}`,
      found: `${version}`,
    })
  }
  const guestSvn = reader.u32le('guest SVN')
  const policy = reader.u64le('policy')
  reader.end()
  return { launchDigest, familyId, imageId, guestSvn, policy }
}

/**
 * Key in AMD's form: curve, then x and y of 72 bytes each, least significant byte first. @throws ParseError
 * @example
 * import { utf8 } from '@strongroom/evidence'
 * import { snpOwnerKey } from '@strongroom/evidence/expected'
 *
 * const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign', 'verify'])
 * const { raw } = snpOwnerKey(new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey)))
 * raw.length // => 1028
 * snpOwnerKey(utf8('no key')) // throws ParseError
 */
export function snpOwnerKey(spki: Uint8Array): SnpOwnerKey {
  const key = parsePublicKey(spki)
  if (key.kind !== 'EC' || key.curve !== 'P-384') {
    throw new ParseError({ code: 'UnknownType', message: 'Key of an ID block is not on P-384', found: key.kind })
  }
  const raw = new ByteWriter()
    .u32le(curveP384)
    .padded(reversed(key.point.subarray(1, 49)), 72)
    .padded(reversed(key.point.subarray(49)), 72)
    .zero(keyLength - 4 - 2 * 72)
    .finish()
  return { raw, spki: Uint8Array.from(key.spki) }
}

/**
 * Digest of a key as in reports: ID_KEY_DIGEST, AUTHOR_KEY_DIGEST.
 * @example
 * import { snpKeyDigest, snpOwnerKey } from '@strongroom/evidence/expected'
 *
 * const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign', 'verify'])
 * const key = snpOwnerKey(new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey)))
 * const pin = await snpKeyDigest(key) // as reports have it: ID_KEY_DIGEST
 * pin.length // => 48
 */
export function snpKeyDigest(key: SnpOwnerKey): Promise<Uint8Array> {
  return digest('SHA-384', key.raw)
}

/**
 * Signs an ID block, and optionally its key with an author key.
 * @example
 * import { buildSnpIdAuthentication, buildSnpIdBlock } from '@strongroom/evidence/expected'
 *
 * const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign', 'verify'])
 * const idKey = {
 *   spki: new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey)),
 *   sign: async (data: Uint8Array) =>
 *     new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-384' }, pair.privateKey, Uint8Array.from(data))),
 * }
 * const block = buildSnpIdBlock({ launchDigest: new Uint8Array(48), policy: 0x3_0000n })
 * const authentication = await buildSnpIdAuthentication({ block, idKey })
 * authentication.length // => 4096
 */
export async function buildSnpIdAuthentication(o: {
  block: Uint8Array
  idKey: SnpOwner
  author?: SnpOwner
}): Promise<Uint8Array> {
  parseSnpIdBlock(o.block)
  const idKey = snpOwnerKey(o.idKey.spki)
  const writer = new ByteWriter()
    .u32le(ecdsaP384)
    .u32le(o.author === undefined ? 0 : ecdsaP384)
    .zero(56)
  writeSignature(writer, await o.idKey.sign(o.block))
  writer.bytes(idKey.raw).zero(60)
  if (o.author !== undefined) {
    writeSignature(writer, await o.author.sign(idKey.raw))
    writer.bytes(snpOwnerKey(o.author.spki).raw)
  }
  return writer.zero(snpIdAuthenticationLength - writer.length).finish()
}

function writeSignature(writer: ByteWriter, signature: Uint8Array): void {
  if (signature.length !== 96) throw new RangeError(`Signature has ${signature.length} bytes instead of 96`)
  writer.padded(reversed(signature.subarray(0, 48)), 72).padded(reversed(signature.subarray(48)), 72)
  writer.zero(signatureLength - 2 * 72)
}

/**
 * Reads ID_AUTH_INFO, 4096 bytes. @throws ParseError WrongLength, UnknownType, ReservedNotZero
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { toHex } from '@strongroom/evidence'
 * import { parseSnpIdAuthentication, snpKeyDigest } from '@strongroom/evidence/expected'
 *
 * const { idKey, author } = parseSnpIdAuthentication(await readFile('id-authentication.bin'))
 * toHex(await snpKeyDigest(idKey)).slice(0, 16) // => '59fb2c686dfa4fef'
 * author !== undefined // => true
 */
export function parseSnpIdAuthentication(bytes: Uint8Array): SnpIdAuthentication {
  if (bytes.length !== snpIdAuthenticationLength) {
    throw new ParseError({
      code: 'WrongLength',
      message: 'ID authentication has another length',
      expected: `${snpIdAuthenticationLength} bytes`,
      found: `${bytes.length} bytes`,
    })
  }
  const reader = new ByteReader(Uint8Array.from(bytes), 'ID authentication')
  const idAlgorithm = reader.u32le('algorithm of the ID key')
  const authorAlgorithm = reader.u32le('algorithm of the author key')
  if (idAlgorithm !== ecdsaP384 || authorAlgorithm > ecdsaP384) {
    throw new ParseError({
      code: 'UnknownType',
      message: 'ID authentication uses another algorithm',
      offset: idAlgorithm === ecdsaP384 ? 4 : 0,
      expected: '1 (ECDSA P-384 with SHA-384)',
      found: `${idAlgorithm}, ${authorAlgorithm}`,
    })
  }
  reader.zero(56, 'reserved')
  const blockSignature = readSignature(reader, 'signature of the ID block')
  const idKey = readKey(reader, 'ID key')
  reader.zero(60, 'reserved')
  const authorBytes = bytes.subarray(reader.position, reader.position + signatureLength + keyLength)
  if (authorAlgorithm === 0 || isZero(authorBytes)) {
    reader.zero(signatureLength + keyLength, 'author key')
    reader.zero(reader.remaining, 'reserved')
    return { idKey, blockSignature }
  }
  const signature = readSignature(reader, 'signature of the ID key')
  const key = readKey(reader, 'author key')
  reader.zero(reader.remaining, 'reserved')
  return { idKey, blockSignature, author: { key, signature } }
}

function readSignature(reader: ByteReader, field: string): Uint8Array {
  const part = (name: string): Uint8Array => {
    const value = reader.bytes(48, `${name} of ${field}`)
    reader.zero(24, `padding of ${name}`)
    return reversed(value)
  }
  const signature = concat(part('r'), part('s'))
  reader.zero(signatureLength - 2 * 72, `padding of ${field}`)
  return signature
}

function readKey(reader: ByteReader, field: string): SnpOwnerKey {
  const offset = reader.offset
  const raw = reader.bytes(keyLength, field)
  const inner = new ByteReader(raw, field, offset)
  const curve = inner.u32le('curve')
  if (curve !== curveP384) {
    throw new ParseError({
      code: 'UnknownType',
      message: `${field} is on another curve`,
      offset,
      expected: `${curveP384} (P-384)`,
      found: `${curve}`,
    })
  }
  const x = reversed(inner.bytes(48, 'x'))
  inner.zero(24, 'padding of x')
  const y = reversed(inner.bytes(48, 'y'))
  inner.zero(inner.remaining, 'padding')
  return { raw, spki: concat(spkiPrefix, x, y) }
}

/** An ID block with valid signatures. */
export interface VerifiedSnpIdBlock {
  block: SnpIdBlock
  /** SHA-384, 48 bytes. */
  idKeyDigest: Uint8Array
  /** Absent if no author vouches for the ID key. */
  authorKeyDigest?: Uint8Array
}

/**
 * Verifies an ID block under its ID key, and the ID key under its author key; given a report, also that the guest was
 * started with exactly this block. A policy decides whose keys are accepted (`idKeyDigests`, `authorKeyDigests`).
 * @param o.report a verified report; if absent, only the signatures are verified
 * @throws VerificationError IdBlockSignatureInvalid, BindingMismatch; ParseError
 * @example
 * import { equal } from '@strongroom/evidence'
 * import { buildSnpIdAuthentication, buildSnpIdBlock, snpKeyDigest, snpOwnerKey, verifySnpIdBlock } from '@strongroom/evidence/expected'
 *
 * const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign', 'verify'])
 * const idKey = {
 *   spki: new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey)),
 *   sign: async (data: Uint8Array) =>
 *     new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-384' }, pair.privateKey, Uint8Array.from(data))),
 * }
 * const block = buildSnpIdBlock({ launchDigest: new Uint8Array(48), policy: 0x3_0000n })
 * const authentication = await buildSnpIdAuthentication({ block, idKey })
 * const { idKeyDigest } = await verifySnpIdBlock({ block, authentication })
 * equal(idKeyDigest, await snpKeyDigest(snpOwnerKey(idKey.spki))) // => true
 * verifySnpIdBlock({ block: block.with(0, 1), authentication }) // throws VerificationError IdBlockSignatureInvalid
 */
export async function verifySnpIdBlock(
  o: VerifyContext & { block: Uint8Array; authentication: Uint8Array; report?: SnpReport },
): Promise<VerifiedSnpIdBlock> {
  const block = parseSnpIdBlock(o.block)
  const { idKey, blockSignature, author } = parseSnpIdAuthentication(o.authentication)
  await requireSigned('ID block', idKey, blockSignature, o.block, o)
  if (author !== undefined) await requireSigned('ID key', author.key, author.signature, idKey.raw, o)
  const idKeyDigest = await snpKeyDigest(idKey)
  const authorKeyDigest = author === undefined ? undefined : await snpKeyDigest(author.key)
  const verified = { block, idKeyDigest, ...(authorKeyDigest === undefined ? {} : { authorKeyDigest }) }
  if (o.report !== undefined) requireReport(o.report, verified)
  return verified
}

async function requireSigned(
  subject: string,
  by: SnpOwnerKey,
  signature: Uint8Array,
  data: Uint8Array,
  { primitives }: VerifyContext,
): Promise<void> {
  const key = parsePublicKey(by.spki) as PublicKey & { kind: 'EC' }
  if (await verifyRawEcdsa({ key, hash: 'SHA-384', signature, data, primitives })) return
  throw new VerificationError({
    code: 'IdBlockSignatureInvalid',
    message: `${subject} is not signed by its key`,
    subject,
  })
}

function requireReport(report: SnpReport, { block, idKeyDigest, authorKeyDigest }: VerifiedSnpIdBlock): void {
  const none = new Uint8Array(48)
  const parts: [field: string, expected: Uint8Array, found: Uint8Array][] = [
    ['measurement', block.launchDigest, report.measurement],
    ['family id', block.familyId, report.familyId],
    ['image id', block.imageId, report.imageId],
    ['digest of the ID key', idKeyDigest, report.idKeyDigest],
    ['digest of the author key', authorKeyDigest ?? none, report.authorKeyDigest],
  ]
  for (const [field, expected, found] of parts) {
    if (!equal(expected, found)) mismatch(field, toHex(expected), toHex(found))
  }
  if (block.guestSvn !== report.guestSvn) mismatch('guest SVN', `${block.guestSvn}`, `${report.guestSvn}`)
  if (block.policy !== report.policy.raw) {
    mismatch('policy', `0x${block.policy.toString(16)}`, `0x${report.policy.raw.toString(16)}`)
  }
  if (report.authorKeyEnabled !== (authorKeyDigest !== undefined)) {
    mismatch('author key', String(authorKeyDigest !== undefined), String(report.authorKeyEnabled))
  }
}

function mismatch(field: string, expected: string, found: string): never {
  throw new VerificationError({
    code: 'BindingMismatch',
    message: `The guest was started with another ID block: ${field} differs`,
    subject: 'ID block',
    expected,
    found,
  })
}
