import { createHash, constants, sign, type KeyObject } from 'node:crypto'

/** An RSA key in OpenPGP form: version 4 (RFC 9580), which every apt since 2005 verifies. */
export interface OpenPgpKey {
  privateKey: KeyObject
  /** Time of creation: part of its fingerprint. */
  createdAt: Date
  userId: string
}

const version = 4
const [rsa, sha256] = [1, 8]
const tags = { signature: 2, publicKey: 6, userId: 13 } as const
const types = { text: 0x01, certification: 0x13 } as const
const subpackets = { createdAt: 2, issuer: 16, keyFlags: 27, issuerFingerprint: 33 } as const
/** Certifies itself, and signs data. */
const keyFlags = 0x03

const uint = (value: number, bytes: number): Buffer => {
  const written = Buffer.alloc(bytes)
  written.writeUIntBE(value, 0, bytes)
  return written
}
const seconds = (at: Date): number => Math.floor(at.getTime() / 1000)

/** Section 3.2: the length in bits, then the number without leading zeros. */
function mpi(number: Uint8Array): Buffer {
  const start = number.findIndex((byte) => byte !== 0)
  const significant = number.subarray(start)
  return Buffer.concat([uint(significant.length * 8 - Math.clz32(significant[0] ?? 0) + 24, 2), significant])
}

/** Section 4.2.1: the new format, with a length of five octets. */
const packet = (tag: number, body: Uint8Array): Buffer =>
  Buffer.concat([uint(0xc0 | tag, 1), Buffer.from([0xff]), uint(body.length, 4), body])

function publicKeyBody({ privateKey, createdAt }: OpenPgpKey): Buffer {
  const { n = '', e = '' } = privateKey.export({ format: 'jwk' })
  const numbers = [n, e].map((number) => mpi(Buffer.from(number, 'base64url')))
  return Buffer.concat([uint(version, 1), uint(seconds(createdAt), 4), uint(rsa, 1), ...numbers])
}

/** What is hashed of a key, for its fingerprint and in a signature (sections 5.5.4.2, 5.2.4). */
const hashedKey = (body: Uint8Array): Buffer => Buffer.concat([Buffer.from([0x99]), uint(body.length, 2), body])

const subpacket = (type: number, content: Uint8Array): Buffer =>
  Buffer.concat([uint(content.length + 1, 1), uint(type, 1), content])

/** Section 5.2.3. @param o.signed what is hashed before the signature's own fields */
function signaturePacket(
  key: OpenPgpKey,
  o: { type: number; signed: Uint8Array; at: Date; extra?: Uint8Array },
): Buffer {
  const fingerprint = createHash('sha1')
    .update(hashedKey(publicKeyBody(key)))
    .digest()
  const hashed = Buffer.concat([
    subpacket(subpackets.createdAt, uint(seconds(o.at), 4)),
    subpacket(subpackets.issuerFingerprint, Buffer.concat([uint(version, 1), fingerprint])),
    o.extra ?? Buffer.alloc(0),
  ])
  const fields = Buffer.concat([Buffer.from([version, o.type, rsa, sha256]), uint(hashed.length, 2), hashed])
  const data = Buffer.concat([o.signed, fields, Buffer.from([version, 0xff]), uint(fields.length, 4)])
  const unhashed = subpacket(subpackets.issuer, fingerprint.subarray(-8))
  const check = createHash('sha256').update(data).digest().subarray(0, 2)
  const signature = sign('sha256', data, { key: key.privateKey, padding: constants.RSA_PKCS1_PADDING })
  return packet(tags.signature, Buffer.concat([fields, uint(unhashed.length, 2), unhashed, check, mpi(signature)]))
}

/** The certificate: key, name, and the key's self-signature; as apt's `signed-by` reads it. */
export function openPgpCertificate(key: OpenPgpKey): Uint8Array {
  const [body, userId] = [publicKeyBody(key), Buffer.from(key.userId)]
  const signed = Buffer.concat([hashedKey(body), Buffer.from([0xb4]), uint(userId.length, 4), userId])
  const extra = subpacket(subpackets.keyFlags, Buffer.from([keyFlags]))
  return Buffer.concat([
    packet(tags.publicKey, body),
    packet(tags.userId, userId),
    signaturePacket(key, { type: types.certification, signed, at: key.createdAt, extra }),
  ])
}

/** A text followed by its signature (cleartext signature framework, section 7). @param text without lines that begin with a dash */
export function signCleartext(key: OpenPgpKey, text: string, at: Date): string {
  const lines = text.trimEnd().split('\n')
  if (lines.some((line) => /^-|\s$/.test(line))) throw new TypeError('a line begins with a dash, or ends with a space')
  const signature = signaturePacket(key, { type: types.text, signed: Buffer.from(lines.join('\r\n')), at })
  return [
    '-----BEGIN PGP SIGNED MESSAGE-----',
    'Hash: SHA256',
    '',
    ...lines,
    '-----BEGIN PGP SIGNATURE-----',
    '',
    ...(signature.toString('base64').match(/.{1,64}/g) ?? []),
    `=${uint(crc24(signature), 3).toString('base64')}`,
    '-----END PGP SIGNATURE-----',
    '',
  ].join('\n')
}

/** Section 6.1.1. */
function crc24(bytes: Uint8Array): number {
  let crc = 0xb704ce
  for (const byte of bytes) {
    crc ^= byte << 16
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x800000 ? (crc << 1) ^ 0x1864cfb : crc << 1
  }
  return crc & 0xffffff
}
