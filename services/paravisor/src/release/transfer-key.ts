import { constants, createPrivateKey, generateKeyPair, privateDecrypt, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { ServiceError } from '@strongroom/platform'
import { unwrapKey } from '../vmgs/key-wrap.ts'

/** Lives for one boot, in this process’s memory only. */
export interface TransferKey {
  publicKey: KeyObject
  privateKey: KeyObject
}

const generate = promisify(generateKeyPair)

/** RSA-2048, like Azure's paravisor. Generated off the main thread. */
export async function makeTransferKey(): Promise<TransferKey> {
  return await generate('rsa', { modulusLength: 2048 })
}

/**
 * Opens a released key: RSA-OAEP-SHA-256 of an AES-256 key as long as the modulus, then the PKCS#8 key under RFC 5649.
 * @throws ServiceError ReleasedKeyUnreadable, without any key material
 */
export function unwrapReleasedKey(ciphertext: Uint8Array, transferKey: TransferKey): KeyObject {
  const bytes = Buffer.from(ciphertext)
  const modulusLength = (transferKey.privateKey.asymmetricKeyDetails?.modulusLength ?? 0) / 8
  try {
    const aesKey = privateDecrypt(
      { key: transferKey.privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
      bytes.subarray(0, modulusLength),
    )
    const pkcs8 = unwrapKey(bytes.subarray(modulusLength), aesKey)
    const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    aesKey.fill(0)
    pkcs8.fill(0)
    return key
  } catch {
    // The cause would contain the half-opened key.
    throw new ServiceError({
      code: 'ReleasedKeyUnreadable',
      message: 'The released key cannot be unwrapped with this boot’s transfer key.',
      expected: 'a key wrapped to HCLTransferKey with RSA_AES_KEY_WRAP_256',
      found: 'a key wrapped differently',
    })
  }
}
