import { vaultManagementAudience } from '../../names/names.ts'
import { anyObject, named } from '../../shape/index.ts'
import { valueOf } from '../elements/answers.ts'
import type { Wire, WireOperation } from '../elements/wire.ts'
import { deletedManagedHsmRecord, managedHsmDefinition, managedHsmRecord } from './managed-hsm.ts'
import { deletedVaultRecord, nameAvailability, vaultChange, vaultRecord, vmFirmware } from './vault.ts'

/** In Key Vault's data-plane format. */
const object = named('KeyVaultObject', anyObject)

const vaults: readonly WireOperation[] = [
  {
    method: 'PUT',
    path: '/vaults/:name',
    summary: 'Creates or replaces a vault; idempotent',
    body: vaultChange,
    status: 'made',
    answer: vaultRecord,
    errors: ['BadParameter', 'VaultAlreadyExists', 'ConflictError'],
  },
  {
    method: 'GET',
    path: '/vaults/:name',
    summary: 'One vault',
    status: 200,
    answer: vaultRecord,
    errors: ['VaultNotFound'],
  },
  {
    method: 'DELETE',
    path: '/vaults/:name',
    summary: 'Soft-deletes the vault, which then answers nobody',
    status: 200,
    answer: deletedVaultRecord,
    errors: ['VaultNotFound'],
  },
  {
    method: 'GET',
    path: '/availability/:name',
    summary: 'Whether the name of a vault is free',
    status: 200,
    answer: nameAvailability,
  },
  {
    method: 'GET',
    path: '/deletedvaults',
    summary: 'Deleted vaults',
    status: 200,
    answer: valueOf(deletedVaultRecord),
  },
  {
    method: 'GET',
    path: '/deletedvaults/:name',
    summary: 'One deleted vault',
    status: 200,
    answer: deletedVaultRecord,
    errors: ['DeletedVaultNotFound'],
  },
  {
    method: 'POST',
    path: '/deletedvaults/:name/recover',
    summary: 'Recovers it',
    status: 200,
    answer: vaultRecord,
    errors: ['DeletedVaultNotFound'],
  },
  {
    method: 'DELETE',
    path: '/deletedvaults/:name',
    summary: 'Purges it with all its content',
    status: 204,
    errors: ['DeletedVaultNotFound', 'MethodNotAllowed'],
  },
]

const objects: readonly WireOperation[] = [
  {
    method: 'PUT',
    path: '/vaults/:name/keys/:object',
    summary: 'A key from a template; an existing one is unchanged',
    body: object,
    status: 'made',
    answer: object,
  },
  {
    method: 'GET',
    path: '/vaults/:name/keys/:object',
    summary: 'A key, its public part',
    status: 200,
    answer: object,
    errors: ['KeyNotFound'],
  },
  {
    method: 'PUT',
    path: '/vaults/:name/secrets/:object',
    summary: 'A secret from a template',
    body: object,
    status: 201,
    answer: object,
  },
  {
    method: 'GET',
    path: '/vaults/:name/secrets/:object',
    summary: 'A secret without its value',
    status: 200,
    answer: object,
    errors: ['SecretNotFound'],
  },
]

const hsms: readonly WireOperation[] = [
  {
    method: 'PUT',
    path: '/managedhsms/:name',
    summary: 'Creates or replaces a managed HSM; idempotent',
    body: managedHsmDefinition,
    status: 'made',
    answer: managedHsmRecord,
    errors: ['BadParameter', 'Conflict'],
  },
  {
    method: 'GET',
    path: '/managedhsms/:name',
    summary: 'One managed HSM',
    status: 200,
    answer: managedHsmRecord,
    errors: ['ManagedHsmNotFound'],
  },
  {
    method: 'DELETE',
    path: '/managedhsms/:name',
    summary: 'Soft delete',
    status: 200,
    answer: deletedManagedHsmRecord,
    errors: ['ManagedHsmNotFound'],
  },
  {
    method: 'GET',
    path: '/hsmavailability/:name',
    summary: 'Whether the name of a managed HSM is free',
    status: 200,
    answer: nameAvailability,
  },
  {
    method: 'GET',
    path: '/deletedmanagedhsms',
    summary: 'Deleted managed HSMs',
    status: 200,
    answer: valueOf(deletedManagedHsmRecord),
  },
  {
    method: 'GET',
    path: '/deletedmanagedhsms/:name',
    summary: 'One deleted managed HSM',
    status: 200,
    answer: deletedManagedHsmRecord,
    errors: ['ManagedHsmNotFound'],
  },
  {
    method: 'POST',
    path: '/deletedmanagedhsms/:name/recover',
    summary: 'Recovers it',
    status: 200,
    answer: managedHsmRecord,
    errors: ['ManagedHsmNotFound'],
  },
  {
    method: 'DELETE',
    path: '/deletedmanagedhsms/:name',
    summary: 'Purges it with all its content',
    status: 204,
    errors: ['Conflict'],
  },
]

const vms: readonly WireOperation[] = [
  {
    method: 'PUT',
    path: '/vms/:vmId/firmware',
    summary: 'Which firmware a VM may be launched with, as its owner says; idempotent',
    body: vmFirmware,
    status: 200,
    answer: vmFirmware,
    errors: ['BadParameter'],
  },
  {
    method: 'DELETE',
    path: '/vms/:vmId/firmware',
    summary: 'Forgets it, and what the VM ran last; idempotent',
    status: 204,
    errors: ['BadParameter'],
  },
]

/** On which the resource manager creates, changes and deletes vaults and managed HSMs. */
export const vaultManagementWire: Wire = {
  name: 'vault-management',
  version: '1',
  title: 'Vault management',
  about:
    'The resource manager informs the key service about the existing vaults and managed HSMs. Only its principal ' +
    'may call, with ?api-version=2025-05-01, and, if there is a caller, with a header that names it. Names are ' +
    'compared without case and kept in lower case.',
  server: vaultManagementAudience,
  security: 'bearer',
  operations: [...vaults, ...objects, ...hsms, ...vms],
}
