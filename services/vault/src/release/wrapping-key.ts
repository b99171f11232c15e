import { ServiceError } from '@strongroom/platform'
import { findWrappingKey, type WrappingKey } from '@strongroom/release-policy'

/** @throws ServiceError 403 if the token contains no wrapping key */
export function wrappingKeyOf(claims: Record<string, unknown>): WrappingKey {
  const key = findWrappingKey(claims)
  if ('kid' in key) return key
  const { part, expected, found } = key
  throw new ServiceError({
    code: 'Forbidden',
    message: 'The attestation token contains no key to wrap the released key to.',
    target: part,
    expected,
    found,
    details: [
      {
        code: 'KeyReleaseDenied',
        message: `${part} is expected to have ${expected}, found ${found}.`,
        target: part,
        innererror: { expected, found },
      },
    ],
    remedy: 'Attest with runtime claims that contain the public half of a fresh RSA key with key_ops ["encrypt"].',
  })
}
