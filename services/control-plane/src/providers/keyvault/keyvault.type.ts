import type { ResourceType } from '../../types/resource-type.ts'
import { managedHsms } from './managed-hsm-routes.ts'
import { vaultKeys, vaultSecrets } from './vault-objects.ts'
import { accessPolicies, vaults } from './vault-routes.ts'

export const resourceTypes: readonly ResourceType[] = [vaults, accessPolicies, vaultKeys, vaultSecrets, managedHsms]
