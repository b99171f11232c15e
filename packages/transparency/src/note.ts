import { sha256 } from '@noble/hashes/sha2.js'
import { concat, fromBase64, sameBytes, toBase64 } from './bytes.ts'
import { TransparencyError } from './error.ts'

/** C2SP signed-note: signature type of plain Ed25519. */
const ed25519 = 1
const keyBytes = 32
const signatureBytes = 64

/** Public half of a log's key, with its name. */
export interface NoteKey {
  name: string
  /** Ed25519, 32 bytes. */
  publicKey: Uint8Array
}

/**
 * SHA-256(name ‖ newline ‖ type ‖ key), its first four bytes.
 * @example
 * import { keyId, parseNoteKey } from '@strongroom/transparency'
 *
 * const key = parseNoteKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW')
 * Array.from(keyId(key)) // => [0xc7, 0x4f, 0x20, 0xa3]
 */
export function keyId(key: NoteKey): Uint8Array {
  return sha256(concat(utf8(`${key.name}\n`), Uint8Array.of(ed25519), key.publicKey)).subarray(0, 4)
}

/**
 * `name+hexadecimal id+base64(type ‖ key)`: the format in which log keys are published (C2SP signed-note, "Verifier
 * keys").
 * @example
 * import { formatNoteKey } from '@strongroom/transparency'
 *
 * const key = { name: 'vault.example/operationlog', publicKey: new Uint8Array(32) }
 * formatNoteKey(key) // => 'vault.example/operationlog+bfefffc2+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
 */
export function formatNoteKey(key: NoteKey): string {
  const id = Array.from(keyId(key), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return `${key.name}+${id}+${toBase64(concat(Uint8Array.of(ed25519), key.publicKey))}`
}

/**
 * @throws TransparencyError Malformed
 * @example
 * import { parseNoteKey } from '@strongroom/transparency'
 *
 * parseNoteKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW').name // => 'PeterNeumann'
 * parseNoteKey('PeterNeumann+00000000+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW') // throws TransparencyError Malformed
 */
export function parseNoteKey(text: string): NoteKey {
  const match = /^([^\s+]{1,255})\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text)
  const bytes = match && fromBase64(match[3]!)
  if (bytes?.length === 1 + keyBytes && bytes[0] === ed25519) {
    const key: NoteKey = { name: match![1]!, publicKey: bytes.subarray(1) }
    if (formatNoteKey(key) === text) return key
  }
  throw new TransparencyError({
    code: 'Malformed',
    message: 'This is not the public key of a log.',
    expected: 'name+id+base64 of an Ed25519 key, as `strongroom log key` prints it',
    found: text.slice(0, 100),
  })
}

/**
 * @param text ends with a newline; `sign` returns the Ed25519 signature over its UTF-8
 * @example
 * import { openNote, signNote } from '@strongroom/transparency'
 * import { generateKeyPairSync, sign } from 'node:crypto'
 * const { publicKey, privateKey } = generateKeyPairSync('ed25519')
 * const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
 * const key = { name: 'log.example', publicKey: Uint8Array.from(raw) }
 * const note = signNote('a text\n', key, (message) => sign(null, message, privateKey))
 * await openNote(note, key) // => 'a text\n'
 */
export function signNote(text: string, key: NoteKey, sign: (message: Uint8Array) => Uint8Array): string {
  const signature = sign(utf8(text))
  return `${text}\n\u2014 ${key.name} ${toBase64(concat(keyId(key), signature))}\n`
}

/**
 * The text of a note signed by `key`. Signatures by other keys (for example witnesses) are ignored.
 * @throws TransparencyError Malformed or SignatureInvalid
 * @example
 * import { openNote, parseNoteKey } from '@strongroom/transparency'
 *
 * const key = parseNoteKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW')
 * const text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
 * const note = `${text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`
 * await openNote(note, key) // => text
 * openNote(note.replace('answer', 'Answer'), key) // throws TransparencyError SignatureInvalid
 */
export async function openNote(note: string, key: NoteKey): Promise<string> {
  const end = note.lastIndexOf('\n\n')
  // Control characters other than newline are forbidden by the format.
  // oxlint-disable-next-line no-control-regex -- the format names them
  if (end < 0 || note.length > 65_536 || /[\u0000-\u0009\u000b-\u001f\u007f]/.test(note)) throw malformed(note)
  const text = note.slice(0, end + 1)
  const lines = note.slice(end + 2).split('\n')
  if (lines.pop() !== '' || lines.length === 0 || lines.length > 16) throw malformed(note)
  const id = keyId(key)
  let good = false
  for (const line of lines) {
    const match = /^\u2014 ([^\s+]{1,255}) ([A-Za-z0-9+/=]+)$/.exec(line)
    const bytes = match && fromBase64(match[2]!)
    if (!bytes || bytes.length < 5) throw malformed(note)
    if (match[1] !== key.name || !sameBytes(bytes.subarray(0, 4), id)) continue
    if (bytes.length !== 4 + signatureBytes || !(await isSignature(key, bytes.subarray(4), utf8(text)))) {
      throw new TransparencyError({
        code: 'SignatureInvalid',
        message: 'The signature under the checkpoint is wrong.',
        expected: `a signature by ${formatNoteKey(key)}`,
        found: line.slice(0, 100),
      })
    }
    good = true
  }
  if (good) return text
  throw new TransparencyError({
    code: 'SignatureInvalid',
    message: 'The checkpoint is not signed by the key of this log.',
    expected: `a signature by ${formatNoteKey(key)}`,
    found: lines.map((line) => line.slice(0, 60)).join('; '),
  })
}

/** Whether `signature` is the key's Ed25519 signature over `message` (RFC 8032). */
export async function isSignature(key: NoteKey, signature: Uint8Array, message: Uint8Array): Promise<boolean> {
  const subtle = globalThis.crypto.subtle
  const imported = await subtle.importKey('raw', Uint8Array.from(key.publicKey), 'Ed25519', false, ['verify'])
  return subtle.verify('Ed25519', imported, Uint8Array.from(signature), Uint8Array.from(message))
}

function malformed(note: string): TransparencyError {
  return new TransparencyError({
    code: 'Malformed',
    message: 'This is not a signed note.',
    expected: 'text, an empty line, and lines of signatures',
    found: JSON.stringify(note.slice(0, 80)),
  })
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
