import { constants, createCipheriv, publicEncrypt, randomBytes, type KeyObject } from 'node:crypto'

/** Associated data of the cipher, fixed by the stock client library. */
const associatedData = Buffer.from('Transport Key')

/**
 * Seals a token to a key of a TPM (facts section 5.3): a fresh AES-256 key encrypts the token, RSAES-PKCS1-v1_5 that
 * key.
 * @returns base64url of the JSON for the client library
 */
export function sealToken(token: string, to: KeyObject): string {
  const key = randomBytes(32)
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  cipher.setAAD(associatedData)
  const sealed = Buffer.concat([cipher.update(token, 'utf8'), cipher.final()])
  const inner = publicEncrypt({ key: to, padding: constants.RSA_PKCS1_PADDING }, key)
  key.fill(0)
  const envelope = {
    EncryptedInnerKey: inner.toString('base64'),
    EncryptionParams: {
      BlockMode: 'ChainingModeGCM',
      BlockPadding: 'PKCS7',
      Cipher: 'AES',
      KeySizeInBits: 256,
      Iv: iv.toString('base64'),
    },
    AuthenticationData: cipher.getAuthTag().toString('base64'),
    Jwt: sealed.toString('base64'),
  }
  return Buffer.from(JSON.stringify(envelope)).toString('base64url')
}
