import { ServiceError } from '@strongroom/platform'
import { notAllowed } from '../../arm/refusals.ts'
import { resourceView } from '../../arm/resource-view.ts'
import type { UserIdentity } from '../../types/references.ts'
import type { Json, Resource, ResourceBody } from '../../store/resources.ts'

export const setType = 'Microsoft.Compute/diskEncryptionSets'
/** The only offered kind: disks are not encrypted at rest under customers' keys here. */
export const setEncryption = 'ConfidentialVmEncryptedWithCustomerKey'

export interface SetKey {
  /** ARM id of the vault or managed HSM; undefined if the request named none. */
  sourceVault?: string
  /** Key identifier with version. */
  keyUrl: string
}

export interface SetInternal {
  activeKey: SetKey
  /** Keys that guest states may still be under during a rotation, or after a failed one. */
  previousKeys: SetKey[]
  identity: {
    system?: { principalId: string; tenantId: string }
    user?: UserIdentity
  }
  rotatedAt?: string
}

export type DiskEncryptionSet = Resource<SetInternal>

/** Succeeded; Updating during a rotation; Failed if a rotation left guest states under both keys. */
export type SetState = 'Succeeded' | 'Updating' | 'Failed'

export function setBody(
  internal: SetInternal,
  state: SetState,
  tags: Record<string, string> | undefined,
): ResourceBody {
  return {
    ...(tags !== undefined && { tags }),
    identity: identityView(internal.identity),
    properties: {
      activeKey: keyView(internal.activeKey),
      previousKeys: internal.previousKeys.map(keyView),
      encryptionType: setEncryption,
      rotationToLatestKeyVersionEnabled: false,
      provisioningState: state,
      ...(internal.rotatedAt !== undefined && { lastKeyRotationTimestamp: internal.rotatedAt }),
    },
  }
}

const keyView = (key: SetKey): Json => ({
  ...(key.sourceVault !== undefined && { sourceVault: { id: key.sourceVault } }),
  keyUrl: key.keyUrl,
})

function identityView({ system, user }: SetInternal['identity']): Json {
  const type = [system && 'SystemAssigned', user && 'UserAssigned'].filter(Boolean).join(', ')
  return {
    type: type === '' ? 'None' : type,
    ...system,
    ...(user !== undefined && {
      userAssignedIdentities: { [user.id]: { principalId: user.principalId, clientId: user.clientId } },
    }),
  }
}

export const setView = (set: DiskEncryptionSet): Record<string, unknown> => resourceView(set, setType)

/** ARM id of the resource whose identity the set uses: its own if it has one. */
export function actingIdentity(set: Pick<DiskEncryptionSet, 'id' | 'internal'>): string | undefined {
  const { system, user } = set.internal.identity
  return system === undefined ? user?.id : set.id
}

/** The set, as whose identity a customer's key is used. */
export const keyUser = (
  set: Pick<DiskEncryptionSet, 'id' | 'name' | 'internal'>,
): { id: string; name: string; identity: string | undefined } => ({
  id: set.id,
  name: set.name,
  identity: actingIdentity(set),
})

/** All keys that the set's guest states may be under, the one for new ones first. */
export const keysOf = (set: Pick<DiskEncryptionSet, 'internal'>): string[] =>
  [set.internal.activeKey, ...set.internal.previousKeys].map(({ keyUrl }) => keyUrl)

export const setState = (set: DiskEncryptionSet): SetState => set.body.properties['provisioningState'] as SetState

/** VMs of a set stay off while its key changes. */
export const rotating = (set: Pick<DiskEncryptionSet, 'id' | 'name'>): ServiceError =>
  notAllowed(`The key of disk encryption set '${set.name}' is being changed.`, {
    target: set.id,
    expected: 'provisioningState Succeeded or Failed',
    found: 'Updating',
    remedy: 'Wait until the set is updated, then try again.',
  })
