import { unchangeable } from '../../arm/refusals.ts'
import type { Fields } from '../../arm/fields.ts'
import { mostIdentities } from '../../types/references.ts'
import { setEncryption, type SetKey } from './set-model.ts'

const encryptionTypes = [
  setEncryption,
  'EncryptionAtRestWithCustomerKey',
  'EncryptionAtRestWithPlatformAndCustomerKeys',
] as const
const identityTypes = ['None', 'SystemAssigned', 'UserAssigned', 'SystemAssigned, UserAssigned'] as const

/** The contents of a set request; undefined leaves a value unchanged. */
export interface SetRequest {
  activeKey: SetKey | undefined
  identity: { system: boolean; userIds: string[] } | undefined
  tags: Record<string, string> | undefined
}

/** Reads a PUT's or PATCH's body; faults are added to `fields`. */
export function readSetRequest(fields: Fields, o: { creating: boolean }): SetRequest {
  const properties = fields.object('properties')
  const encryption = properties.oneOf('encryptionType', encryptionTypes)
  if (encryption !== undefined ? encryption !== setEncryption : o.creating) {
    fields.problem(
      o.creating
        ? {
            code: 'BadRequest',
            message:
              `Disk encryption sets of type '${encryption ?? 'EncryptionAtRestWithCustomerKey'}' are not offered: ` +
              'the host does not encrypt disks at rest.',
            target: properties.at('encryptionType'),
            expected: setEncryption,
            found: encryption ?? 'EncryptionAtRestWithCustomerKey, the default',
            remedy: `Request it: az disk-encryption-set create --encryption-type ${setEncryption}.`,
            rule: 'S7',
          }
        : unchangeable('encryptionType', {
            expected: setEncryption,
            found: encryption ?? '',
            remedy: 'Create a new disk encryption set.',
          }),
    )
  }
  if (properties.flag('rotationToLatestKeyVersionEnabled') === true) {
    fields.invalid(
      properties.at('rotationToLatestKeyVersionEnabled'),
      `Auto-key rotation for DiskEncryptionSet with EncryptionType '${setEncryption}' is not supported.`,
      {
        expected: 'false',
        found: 'true',
        remedy: 'Rotate manually: deallocate the set’s VMs, then set activeKey.keyUrl to the new version.',
      },
    )
  }
  const federated = properties.text('federatedClientId')
  if (federated !== undefined && federated !== '' && federated.toLowerCase() !== 'none') {
    fields.invalid(
      properties.at('federatedClientId'),
      'Keys in another tenant are not offered: an installation has one tenant.',
      { expected: 'none', found: federated.slice(0, 60), remedy: 'Use a key in this tenant.' },
    )
  }
  return {
    activeKey: readKey(properties.object('activeKey'), o),
    identity: readIdentity(fields, o),
    tags: fields.textMap('tags'),
  }
}

function readKey(key: Fields, o: { creating: boolean }): SetKey | undefined {
  const keyUrl = key.text('keyUrl')
  const sourceVault = key.object('sourceVault').text('id')
  if (keyUrl === undefined) {
    if (o.creating || key.present) {
      key.missing('activeKey.keyUrl', key.at('keyUrl'), {
        expected: 'a key identifier with version',
        remedy: 'Name the key: az keyvault key show … --query key.kid.',
      })
    }
    return undefined
  }
  return { keyUrl, ...(sourceVault !== undefined && { sourceVault }) }
}

function readIdentity(fields: Fields, o: { creating: boolean }): SetRequest['identity'] {
  const identity = fields.object('identity')
  const type = identity.text('type')?.replaceAll(/\s/g, '').replace(',', ', ')
  const known = identityTypes.find((each) => each.toLowerCase() === type?.toLowerCase())
  if (type === undefined && !o.creating) return undefined
  // A null member removes an identity.
  const userIds = (identity.members('userAssignedIdentities', mostIdentities) ?? []).flatMap(([id, member]) =>
    member === null ? [] : [id],
  )
  const wantsUser = known?.includes('UserAssigned') === true
  if (known === undefined || known === 'None') {
    fields.invalid(identity.at('type'), 'A disk encryption set needs a managed identity to read the key.', {
      expected: 'SystemAssigned, UserAssigned, or both',
      found: type?.slice(0, 60) ?? 'null',
      remedy: 'Set identity.type to SystemAssigned.',
    })
  } else if (wantsUser && userIds.length !== 1) {
    fields.invalid(
      identity.at('userAssignedIdentities'),
      'A disk encryption set can have at most one user-assigned identity.',
      { expected: 'the ARM id of one identity', found: `${userIds.length} identities`, remedy: 'Name one identity.' },
    )
  }
  return { system: known?.startsWith('SystemAssigned') === true, userIds: wantsUser ? userIds : [] }
}
