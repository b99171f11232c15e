import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { vaultHost } from '@strongroom/contract'
import type { NoteKey } from '@strongroom/transparency'

/** Signs the checkpoints of all logs of the installation; the origin in each distinguishes them. */
export interface LogKey {
  noteKey(vault: string): NoteKey
  sign(message: Uint8Array): Uint8Array
}

export const newLogKey = (): Promise<Uint8Array> =>
  Promise.resolve(generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'der' }))

/** Takes PKCS#8 of an Ed25519 key; the bytes are overwritten. */
export function openLogKey(pkcs8: Uint8Array): LogKey {
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  pkcs8.fill(0)
  const publicKey = Uint8Array.from(Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x!, 'base64url'))
  return {
    noteKey: (vault) => ({ name: `${vaultHost(vault)}/operationlog`, publicKey }),
    sign: (message) => sign(null, message, key),
  }
}
