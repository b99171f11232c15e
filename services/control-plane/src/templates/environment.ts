import type { ResourceTypes } from '../types/registry.ts'
import type { DeploymentScope } from './scope.ts'
import type { Obj, Value } from './values.ts'

export interface UserFunction {
  parameters: string[]
  output: Value
  /** Bicep's functions may call each other; older templates' functions see only themselves. */
  callsOthers: boolean
}

/** The scope of a deployment. */
export interface Environment {
  subscriptionId: string
  tenantId: string
  types: ResourceTypes
  scope: DeploymentScope
  deployment: { name: string; location?: string; properties: Obj }
  cloud: Obj
  /** Templates beside this one, for relative links. */
  beside?: Record<string, Obj>
  /** deployer(): who deploys. */
  deployer: { objectId: string; tenantId: string; userPrincipalName: string }
}
