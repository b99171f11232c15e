import { createHash } from 'node:crypto'
import type { KeyOperation, KeyType } from '@strongroom/contract'
import type { KeyBinding, KeySpec, PublicParts } from '../keystore/keystore.ts'
import type { RowForm } from '../objects/repository.ts'
import { changeableColumnsOf, versionedOf, type Versioned } from '../objects/versioned.ts'
import type { KeyVersionRow } from '../store/tables.ts'

/** Version of a key, as the service works with it. */
export interface KeyVersion extends Versioned {
  kty: KeyType
  spec: KeySpec
  keyOps: KeyOperation[]
  publicParts: PublicParts
  material: Uint8Array
  exportable: boolean
  policy: KeyPolicy | undefined
  guestStateGeneration: number
  /** The launch that counted it: `attestedLaunch`. */
  guestStateLaunch?: string | undefined
}

export interface KeyPolicy {
  /** Base64url, as sent. */
  data: string
  contentType: string
  immutable: boolean
}

export const defaultPolicyContentType = 'application/json; charset=utf-8'

/** SHA-256 of the policy's bytes, hexadecimal; empty without a policy. */
export function policyHash(policy: KeyPolicy | undefined): string {
  return policy ? createHash('sha256').update(Buffer.from(policy.data, 'base64url')).digest('hex') : ''
}

export function bindingOf(key: Pick<KeyVersion, 'vault' | 'name' | 'version' | 'exportable' | 'policy'>): KeyBinding {
  return {
    vault: key.vault,
    name: key.name,
    version: key.version,
    exportable: key.exportable,
    policyHash: policyHash(key.policy),
  }
}

export const keyRows: RowForm<KeyVersion, KeyVersionRow> = {
  tables: { objects: 'key_object', versions: 'key_version' },
  fromRow: (row) => {
    const { spec, ...publicParts } = JSON.parse(row.public_jwk) as PublicParts & { spec: KeySpec }
    return {
      ...versionedOf(row),
      kty: row.kty as KeyType,
      spec,
      keyOps: JSON.parse(row.key_ops) as KeyOperation[],
      publicParts,
      material: Buffer.from(row.material, 'base64'),
      exportable: row.exportable === 1,
      policy:
        row.release_policy === null
          ? undefined
          : {
              data: row.release_policy,
              contentType: row.policy_content_type ?? defaultPolicyContentType,
              immutable: row.policy_immutable === 1,
            },
      guestStateGeneration: row.guest_state_generation,
      guestStateLaunch: row.guest_state_launch ?? undefined,
    }
  },
  toRow: (key, ordinal) => ({
    vault: key.vault,
    name: key.name,
    version: key.version,
    ordinal,
    kty: key.kty,
    public_jwk: JSON.stringify({ ...key.publicParts, spec: key.spec }),
    guest_state_generation: key.guestStateGeneration,
    guest_state_launch: key.guestStateLaunch ?? null,
    created: key.created,
    exportable: key.exportable ? 1 : 0,
    ...changed(key),
  }),
  changed,
}

/** Including the material, which is bound to the release policy. */
function changed(
  key: KeyVersion,
): ReturnType<typeof changeableColumnsOf> &
  Pick<KeyVersionRow, 'key_ops' | 'material' | 'release_policy' | 'policy_content_type' | 'policy_immutable'> {
  return {
    ...changeableColumnsOf(key),
    key_ops: JSON.stringify(key.keyOps),
    material: Buffer.from(key.material).toString('base64'),
    release_policy: key.policy?.data ?? null,
    policy_content_type: key.policy?.contentType ?? null,
    policy_immutable: key.policy?.immutable ? 1 : 0,
  }
}
