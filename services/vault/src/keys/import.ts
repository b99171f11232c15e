import { badParameter } from '../core/errors.ts'
import type { KeySpec } from '../keystore/keystore.ts'
import { outsideKeyOf, type OutsideKey } from '../keystore/outside-key.ts'
import { flagOf, objectOf } from '../objects/attributes.ts'
import type { Vault } from '../vaults/vault.ts'
import { keyTypeOf, settingsOf, withPurpose, type NewKey } from './input.ts'
import { parseTransfer, type KeyTransfer } from './key-transfer.ts'

/** A plain key, or one wrapped by another HSM. */
export type ImportRequest =
  | { kind: 'plain'; wanted: NewKey; key: OutsideKey }
  | { kind: 'wrapped'; wanted: NewKey; transfer: KeyTransfer }

/**
 * `{ key: JWK, hsm?, attributes?, tags?, release_policy? }`. The halves must match: a signature by the private half is
 * verified with the public one before anything is stored. With `key_hsm` the key is a KeyTransferBlob.
 * @throws ServiceError 400 BadParameter; no message repeats a private value
 */
export function parseImport(body: unknown, vault: Vault): ImportRequest {
  const o = objectOf(body, 'body')
  const jwk = objectOf(o.key, 'key')
  // A soft key in the request becomes an HSM key if the request says so.
  const plain = keyTypeOf(jwk.kty, 'key.kty', vault)
  const wrapped = jwk.key_hsm !== undefined && jwk.key_hsm !== null
  const hsm = wrapped || (flagOf(o.hsm ?? o.Hsm, 'hsm') ?? plain.endsWith('-HSM'))
  const base = plain.replace('-HSM', '') as 'RSA' | 'EC' | 'oct'
  const kty = keyTypeOf(hsm ? `${base}-HSM` : base, 'key.kty', vault)
  const newKey = (spec: KeySpec): NewKey => {
    const settings = settingsOf(o, kty, spec, jwk.key_ops ?? undefined)
    // Whoever knows the private half could read what is wrapped to it.
    if (settings.keyOps.includes('import')) {
      throw badParameter('A key exchange key is made in the vault, and not imported.', {
        target: 'key.key_ops',
        expected: 'key_ops without import',
        found: 'import',
      })
    }
    return { kty, ...settings, spec: withPurpose(kty, spec, settings) }
  }
  // Size and curve of a wrapped key are known only after unwrapping.
  if (wrapped)
    return { kind: 'wrapped', wanted: newKey({ type: base } as KeySpec), transfer: parseTransfer(jwk.key_hsm, vault) }
  const key = outsideKeyOf(base, jwk)
  return { kind: 'plain', wanted: newKey(key.spec), key }
}
