import { createHash } from 'node:crypto'
import type { KeyOperation, KeyType } from '@strongroom/contract'
import type { KeyBinding, KeySpec, PublicParts } from '../keystore/keystore.ts'
import type { KeyVersionRow } from '../store/migrations.ts'

/** Version of a key, as the service works with it. */
export interface KeyVersion {
  vault: string
  /** As it was first written. */
  shownName: string
  name: string
  version: string
  kty: KeyType
  spec: KeySpec
  keyOps: KeyOperation[]
  publicParts: PublicParts
  material: Uint8Array
  enabled: boolean
  /** Seconds since 1970, as all times here. */
  nbf: number | undefined
  exp: number | undefined
  created: number
  updated: number
  exportable: boolean
  tags: Record<string, string>
  policy: KeyPolicy | undefined
  guestStateGeneration: number
}

export interface KeyPolicy {
  /** Base64url, as it was sent. */
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

export function fromRow(row: KeyVersionRow & { shown_name: string }): KeyVersion {
  const { spec, ...publicParts } = JSON.parse(row.public_jwk) as PublicParts & { spec: KeySpec }
  return {
    vault: row.vault,
    shownName: row.shown_name,
    name: row.name,
    version: row.version,
    kty: row.kty as KeyType,
    spec,
    keyOps: JSON.parse(row.key_ops) as KeyOperation[],
    publicParts,
    material: Buffer.from(row.material, 'base64'),
    enabled: row.enabled === 1,
    nbf: row.nbf ?? undefined,
    exp: row.exp ?? undefined,
    created: row.created,
    updated: row.updated,
    exportable: row.exportable === 1,
    tags: JSON.parse(row.tags) as Record<string, string>,
    policy:
      row.release_policy === null
        ? undefined
        : {
            data: row.release_policy,
            contentType: row.policy_content_type ?? defaultPolicyContentType,
            immutable: row.policy_immutable === 1,
          },
    guestStateGeneration: row.guest_state_generation,
  }
}

export function toRow(key: KeyVersion, ordinal: number): KeyVersionRow {
  return {
    vault: key.vault,
    name: key.name,
    version: key.version,
    ordinal,
    kty: key.kty,
    public_jwk: JSON.stringify({ ...key.publicParts, spec: key.spec }),
    material: Buffer.from(key.material).toString('base64'),
    guest_state_generation: key.guestStateGeneration,
    created: key.created,
    exportable: key.exportable ? 1 : 0,
    ...changeableColumns(key),
  }
}

/** What an update may change. */
export function changeableColumns(
  key: KeyVersion,
): Pick<
  KeyVersionRow,
  | 'key_ops'
  | 'enabled'
  | 'nbf'
  | 'exp'
  | 'updated'
  | 'tags'
  | 'release_policy'
  | 'policy_content_type'
  | 'policy_immutable'
> {
  return {
    key_ops: JSON.stringify(key.keyOps),
    enabled: key.enabled ? 1 : 0,
    nbf: key.nbf ?? null,
    exp: key.exp ?? null,
    updated: key.updated,
    tags: JSON.stringify(key.tags),
    release_policy: key.policy?.data ?? null,
    policy_content_type: key.policy?.contentType ?? null,
    policy_immutable: key.policy?.immutable ? 1 : 0,
  }
}
