import { constants, createDecipheriv, privateDecrypt, X509Certificate, verify, type KeyObject } from 'node:crypto'
import type { ReleasedKey, ReleasedKeyEnvelope, ReleaseWrapping } from '@strongroom/contract'

const oaep = { CKM_RSA_AES_KEY_WRAP: 'sha1', RSA_AES_KEY_WRAP_256: 'sha256', RSA_AES_KEY_WRAP_384: 'sha384' }

/** The recipient's side of a release: verifies the signature under the CA, then unwraps with the transfer key. */
export function unwrapRelease(o: { jws: string; transferKey: KeyObject; caPem: string }): {
  payload: ReleasedKey
  envelope: ReleasedKeyEnvelope
  secret: Buffer
} {
  const [header, body, signature] = o.jws.split('.') as [string, string, string]
  const { alg, x5c } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { alg: string; x5c: string[] }
  const leaf = new X509Certificate(Buffer.from(x5c[0]!, 'base64'))
  const ca = new X509Certificate(o.caPem)
  if (alg !== 'RS256' || !leaf.verify(ca.publicKey) || !leaf.checkIssued(ca)) throw new Error('not signed under the CA')
  if (!verify('sha256', Buffer.from(`${header}.${body}`), leaf.publicKey, Buffer.from(signature, 'base64url'))) {
    throw new Error('the signature does not verify')
  }
  const payload = JSON.parse(Buffer.from(body, 'base64url').toString()) as ReleasedKey
  const envelope = JSON.parse(
    Buffer.from(payload.response.key.key.key_hsm!, 'base64url').toString(),
  ) as ReleasedKeyEnvelope
  const ciphertext = Buffer.from(envelope.ciphertext, 'base64url')
  return { payload, envelope, secret: openWrapped(ciphertext, o.transferKey, envelope.header.enc) }
}

/** Inverse of rsaAesKeyWrap. */
export function openWrapped(wrapped: Uint8Array, transferKey: KeyObject, enc: ReleaseWrapping): Buffer {
  const modulusBytes = transferKey.asymmetricKeyDetails!.modulusLength! / 8
  const aesKey = privateDecrypt(
    { key: transferKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: oaep[enc] },
    wrapped.subarray(0, modulusBytes),
  )
  const decipher = createDecipheriv('id-aes256-wrap-pad', aesKey, Buffer.from('a65959a6', 'hex'))
  return Buffer.concat([decipher.update(wrapped.subarray(modulusBytes)), decipher.final()])
}
