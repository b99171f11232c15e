import { resourceTypes } from '../resource-types.ts'
import type { Environment } from '../templates/environment.ts'

/** Around an expression that is evaluated alone. */
export const templateEnvironment: Environment = {
  subscriptionId: 'sub',
  types: resourceTypes,
  tenantId: 'tenant',
  scope: { kind: 'tenant', id: '', location: 'westeurope' },
  deployer: { objectId: 'me', tenantId: 'tenant', userPrincipalName: '' },
  deployment: { name: 'd', properties: {} },
  cloud: {},
}
