import type { ReleaseWrapping } from '@strongroom/contract'
import type { ServiceError } from '@strongroom/platform'
import { badParameter } from '../core/errors.ts'
import type { OutsideKey } from './outside-key.ts'

/** One message for all causes: someone who learns at which step an unwrap fails can use it to decrypt what is wrapped. */
export function unusableTransfer(algorithm: ReleaseWrapping): ServiceError {
  return badParameter('The key exchange key does not unwrap the wrapped key to a key of its type.', {
    target: 'key.key_hsm.ciphertext',
    expected: `RSA-OAEP of an AES key, then a private key as PKCS#8 (oct: raw) under AES key wrap with padding, as ${algorithm}`,
    found: 'another',
    remedy:
      'Wrap it again to the public half of the key exchange key that header.kid names; RSA keys must have 2048, 3072 or 4096 bits.',
  })
}

/** @throws ServiceError 400 BadParameter for whatever fails in it */
export function unwrappedKey(unwrap: () => OutsideKey, algorithm: ReleaseWrapping): OutsideKey {
  try {
    return unwrap()
  } catch {
    throw unusableTransfer(algorithm)
  }
}
