import type { Plane } from '../types/plane.ts'
import type { Resource } from '../store/resources.ts'
import { TemplateError } from './template-error.ts'

export const deploymentType = 'Microsoft.Resources/deployments'

/** The scope of a template. */
export interface DeploymentScope {
  kind: 'tenant' | 'managementGroup' | 'subscription' | 'resourceGroup'
  /** Id of the scope; empty for the tenant. */
  id: string
  /** The group's, or the location given for the deployment's record. */
  location: string
  /** For a resource group. `id` above is its id as created. */
  group?: { id: string; name: string; location: string; tags: Record<string, string> }
}

/** Template schema of each kind. */
export const schemaOf: Record<DeploymentScope['kind'], string> = {
  tenant: 'tenantDeploymentTemplate.json',
  managementGroup: 'managementGroupDeploymentTemplate.json',
  subscription: 'subscriptionDeploymentTemplate.json',
  resourceGroup: 'deploymentTemplate.json',
}

/** The kind of scope of an id. */
export function kindOf(id: string): DeploymentScope['kind'] {
  const parts = id.toLowerCase().split('/')
  if (parts.length <= 1) return 'tenant'
  if (parts[1] === 'providers') return 'managementGroup'
  return parts[3] === 'resourcegroups' ? 'resourceGroup' : 'subscription'
}

/** The scope of a deployment's id: what precedes its own type. */
export const scopeIdOf = (deploymentId: string): string =>
  deploymentId.slice(0, deploymentId.toLowerCase().lastIndexOf(`/providers/${deploymentType.toLowerCase()}/`))

/** @throws ServiceError ResourceGroupNotFound; TemplateError if a scope other than a group has no location */
export async function openScope(plane: Plane, id: string, location: string | undefined): Promise<DeploymentScope> {
  const kind = kindOf(id)
  if (kind === 'resourceGroup') return groupScope(await plane.resources.requireGroup(id))
  if (location !== undefined && location !== '') return { kind, id, location }
  throw new TemplateError('A deployment to a scope other than a resource group needs a location', {
    code: 'LocationRequired',
    target: 'location',
    remedy: 'Set the region that stores the deployment: --location westeurope.',
  })
}

function groupScope(group: Resource): DeploymentScope {
  const { id, name, location, body } = group
  return { kind: 'resourceGroup', id, location, group: { id, name, location, tags: body.tags ?? {} } }
}
