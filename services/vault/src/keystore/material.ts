import { SealError, ServiceError, type Sealer } from '@strongroom/platform'
import type { KeyBinding } from './keystore.ts'

/** Key material, sealed for its binding. */
export interface SealedMaterial {
  /** The plain bytes are overwritten. */
  seal(plain: Uint8Array, binding: KeyBinding): Promise<Uint8Array>
  /** @throws ServiceError KeyMaterialUnreadable */
  open(material: Uint8Array, binding: KeyBinding): Promise<Uint8Array>
}

export function sealedMaterial(sealer: Sealer): SealedMaterial {
  return {
    seal: async (plain, binding) => {
      try {
        return await sealer.seal(plain, contextOf(binding))
      } finally {
        plain.fill(0)
      }
    },
    open: async (material, binding) => {
      try {
        return await sealer.open(material, contextOf(binding))
      } catch (cause) {
        if (!(cause instanceof SealError)) throw cause
        throw new ServiceError({
          code: 'KeyMaterialUnreadable',
          message:
            `The material of the key ${binding.name}/${binding.version} cannot be decrypted: the stored key, its ` +
            'release policy or the master key was changed.',
          target: `${binding.name}/${binding.version}`,
          remedy: 'Restore the state directory and the master key from the same backup.',
          cause,
        })
      }
    },
  }
}

/** Parts cannot contain a slash (names and versions are checked, the hash is hexadecimal). */
function contextOf(b: KeyBinding): string {
  return `key/${b.vault}/${b.name}/${b.version}/${b.exportable ? 'exportable' : 'kept'}/${b.policyHash}`
}
