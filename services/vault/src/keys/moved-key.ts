import { badParameter } from '../core/errors.ts'
import type { Keystore } from '../keystore/keystore.ts'
import type { Vault } from '../vaults/vault.ts'
import { bindingOf, type KeyVersion } from './key-version.ts'

/**
 * The same version for another vault, its material bound to the new place.
 * @throws ServiceError 400 BadParameter if an HSM-backed key would enter a vault of the standard tier
 */
export function movedKey(keystore: Keystore): (key: KeyVersion, to: Vault) => Promise<KeyVersion> {
  return async (key, to) => {
    if (key.kty.endsWith('-HSM') && to.sku !== 'premium') {
      throw badParameter('HSM-backed keys cannot be restored into vaults of the standard tier.', {
        target: 'value',
        expected: 'a vault of the premium tier',
        found: 'a standard vault',
      })
    }
    const moved = { ...key, vault: to.name }
    return { ...moved, material: await keystore.rebind(key.material, bindingOf(key), bindingOf(moved)) }
  }
}
