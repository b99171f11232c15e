import { Fields } from '../arm/fields.ts'
import { domain, loginHost, managementAudience, managementHost } from '@strongroom/contract'
import type { Plane } from '../plane.ts'
import type { Resource } from '../store/resources.ts'
import type { Environment } from './evaluate.ts'
import { openSection, type Section } from './parameters.ts'
import { planResources, type PlannedResource } from './plan.ts'
import { TemplateError } from './template-error.ts'
import { isObject, type Obj } from './values.ts'

export type Mode = 'Incremental' | 'Complete'

/** What a request to deploy says. */
export interface DeploymentInput {
  name: string
  mode: Mode
  template: Obj
  parameters: Obj
}

/** A template with everything known that can be known before anything is deployed. */
export interface Prepared {
  section: Section
  resources: PlannedResource[]
}

/** @throws ServiceError for a body that is no deployment, TemplateError for a template that cannot be one */
export function readDeployment(name: string, body: unknown): DeploymentInput {
  const fields = new Fields(body)
  const properties = fields.object('properties')
  const mode = properties.oneOf('mode', ['Incremental', 'Complete']) ?? 'Incremental'
  const template = properties.raw('template')
  const parameters = properties.raw('parameters') ?? {}
  fields.assertSound()
  if (properties.has('templateLink')) {
    throw new TemplateError(
      'The templateLink of a deployment is not followed: this installation fetches nothing from elsewhere',
      {
        code: 'InvalidTemplateLink',
        target: 'properties.templateLink',
        remedy: 'Send the template itself; for a nested deployment, write it inline.',
      },
    )
  }
  if (properties.has('parametersLink')) {
    throw new TemplateError(
      'The parametersLink of a deployment is not followed: this installation fetches nothing from elsewhere',
      {
        code: 'InvalidParametersLink',
        target: 'properties.parametersLink',
        remedy: 'Send the parameters themselves.',
      },
    )
  }
  if (!isObject(template)) {
    throw new TemplateError('A deployment needs a template', {
      target: 'properties.template',
      expected: 'an object',
      found: typeof template,
    })
  }
  if (!isObject(parameters))
    throw new TemplateError('The parameters of a deployment must be an object', { target: 'properties.parameters' })
  checkShape(template)
  return { name, mode, template, parameters: withoutWrapper(parameters) }
}

const members = [
  '$schema',
  'contentversion',
  'apiprofile',
  'languageversion',
  'definitions',
  'metadata',
  'parameters',
  'variables',
  'functions',
  'resources',
  'outputs',
]

function checkShape(template: Obj): void {
  const unknown = Object.keys(template).find((key) => !members.includes(key.toLowerCase()))
  if (unknown !== undefined)
    throw new TemplateError(`Could not find member '${unknown.slice(0, 80)}' on object of type 'Template'`, {
      found: unknown.slice(0, 80),
    })
  if (template['resources'] === undefined)
    throw new TemplateError("Required property 'resources' not found in the template")
  if (typeof template['$schema'] !== 'string' || !/\/deploymenttemplate\.json#?$/i.test(template['$schema'])) {
    throw new TemplateError('The template is not one of a resource group', {
      target: '$schema',
      expected: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
      found: String(template['$schema']).slice(0, 120),
    })
  }
}

/** A whole parameter file may stand where the parameters belong. */
function withoutWrapper(parameters: Obj): Obj {
  const inner = parameters['parameters']
  return typeof parameters['$schema'] === 'string' && isObject(inner) ? inner : parameters
}

export function environmentOf(plane: Plane, group: Resource, input: DeploymentInput): Environment {
  return {
    subscriptionId: plane.subscriptionId,
    tenantId: plane.tenantId,
    group: { id: group.id, name: group.name, location: group.location, tags: group.body.tags ?? {} },
    deployment: {
      name: input.name,
      properties: { template: input.template, mode: input.mode, provisioningState: 'Accepted' },
    },
    cloud: {
      name: 'Strongroom',
      portal: `https://portal.${domain}`,
      resourceManager: `https://${managementHost}/`,
      authentication: {
        loginEndpoint: `https://${loginHost}/`,
        audiences: [managementAudience],
        tenant: plane.tenantId,
      },
      suffixes: {
        keyvaultDns: `.vault.${domain}`,
        storage: `storage.${domain}`,
        attestationEndpoint: `.attest.${domain}`,
      },
    },
  }
}

export async function prepare(plane: Plane, group: Resource, input: DeploymentInput): Promise<Prepared> {
  const environment = environmentOf(plane, group, input)
  const section = await openSection({ template: input.template, given: input.parameters, environment })
  return { section, resources: await planResources(input.template, section.scope) }
}
