import { toHex, utf8 } from '@strongroom/evidence'
import { quoteMessage, type SoftwareTpm } from '../../../packages/evidence/src/testing/software-tpm.ts'
import { toPem } from '../../../packages/silicon/src/pki/pem-writer.ts'

/** Runtime claims that name this key. */
export const claimsOf = (key: SoftwareTpm, more: object = {}): Uint8Array =>
  utf8(
    JSON.stringify({
      keys: [{ kid: 'HCLAkPub', key_ops: ['sign'], ...key.jwk }],
      'vm-configuration': { 'secure-boot': true, vmUniqueId: 'A', console: 0 },
      'user-data': 'AB'.repeat(64),
      ...more,
    }),
  )
/** A quote as JSON with its registers. */
export const quoteBy = (
  key: SoftwareTpm,
  registers: ReadonlyMap<number, Uint8Array>,
  nonce = utf8('challenge'),
): object => {
  const message = quoteMessage(registers, { nonce })
  return {
    message: toHex(message),
    signature: toHex(key.sign(message)),
    pcrs: Object.fromEntries([...registers].map(([index, value]) => [String(index), toHex(value)])),
  }
}

/** Its key as SubjectPublicKeyInfo, DER. */
export const spkiOf = (tpm: SoftwareTpm): Uint8Array => {
  const { x, y } = tpm.jwk
  const point = Buffer.concat([Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
  return Uint8Array.from(
    Buffer.concat([Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex'), point]),
  )
}
export const pemOf = (tpm: SoftwareTpm): string => toPem([spkiOf(tpm)], 'PUBLIC KEY')
