import type { Caller, Fuel } from '@strongroom/platform'
import { Fields } from '../arm/fields.ts'
import { domain, loginHost, managementAudience, managementHost } from '@strongroom/contract'
import type { Plane } from '../types/plane.ts'
import type { Environment } from './environment.ts'
import type { Linked } from './links.ts'
import { openSection, type Section } from './parameters.ts'
import { planResources, type PlannedResource } from './plan.ts'
import { schemaOf, type DeploymentScope } from './scope.ts'
import { TemplateError } from './template-error.ts'
import { isObject, textOf, type Obj } from './values.ts'

type Mode = 'Incremental' | 'Complete'

/** What a request to deploy says. */
export interface DeploymentInput {
  name: string
  mode: Mode
  template: Obj
  parameters: Obj
  /** The record's region, if the scope has none. */
  location?: string
  /** The template's source, if it was not in the request. */
  link?: { id: string }
  /** Templates beside it, for relative links. */
  beside?: Record<string, Obj>
}

/** A template with everything resolved that can be before deployment. */
export interface Prepared {
  section: Section
  resources: PlannedResource[]
}

/**
 * @param linked result of the body's templateLink
 * @throws ServiceError for a body that is not a deployment, TemplateError for an invalid template
 */
export function readDeployment(
  o: { name: string; kind: DeploymentScope['kind']; linked?: Linked | undefined },
  body: unknown,
): DeploymentInput {
  const { name, kind, linked } = o
  const fields = new Fields(body)
  const location = fields.text('location')
  const properties = fields.object('properties')
  const mode = properties.oneOf('mode', ['Incremental', 'Complete']) ?? 'Incremental'
  const template = linked?.template ?? properties.raw('template')
  const parameters = properties.raw('parameters') ?? {}
  fields.assertSound()
  if (properties.has('parametersLink')) {
    throw new TemplateError(
      'The parametersLink of a deployment is not followed: this installation does not fetch anything from outside',
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
  checkShape(template, kind)
  if (mode === 'Complete' && kind !== 'resourceGroup')
    throw new TemplateError('Complete mode is available only for resource groups', {
      target: 'properties.mode',
      expected: 'Incremental',
      found: mode,
    })
  return {
    name,
    mode,
    template,
    parameters: withoutWrapper(parameters),
    ...(location !== undefined && { location }),
    ...(linked !== undefined && { link: linked.link, beside: linked.beside }),
  }
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
  'asserts',
]

function checkShape(template: Obj, kind: DeploymentScope['kind']): void {
  const unknown = Object.keys(template).find((key) => !members.includes(key.toLowerCase()))
  if (unknown !== undefined)
    throw new TemplateError(`Could not find member '${unknown.slice(0, 80)}' on object of type 'Template'`, {
      found: unknown.slice(0, 80),
    })
  if (template['resources'] === undefined)
    throw new TemplateError("Required property 'resources' not found in the template")
  const schema = textOf(template['$schema'])
  if (schema.replace(/#$/, '').split('/').at(-1)?.toLowerCase() !== schemaOf[kind].toLowerCase()) {
    throw new TemplateError(`The template is not for a ${kind}`, {
      target: '$schema',
      expected: `https://schema.management.azure.com/schemas/2019-04-01/${schemaOf[kind]}#`,
      found: schema.slice(0, 120),
      remedy: 'Deploy it to the scope that its schema names: az deployment group|sub|mg|tenant.',
    })
  }
}

/** A whole parameter file is accepted in place of the parameters. */
function withoutWrapper(parameters: Obj): Obj {
  const inner = parameters['parameters']
  return typeof parameters['$schema'] === 'string' && isObject(inner) ? inner : parameters
}

function environmentOf(o: {
  plane: Plane
  scope: DeploymentScope
  input: DeploymentInput
  caller: Caller
}): Environment {
  const { plane, scope, input, caller } = o
  return {
    subscriptionId: plane.subscriptionId,
    types: plane.types,
    tenantId: plane.tenantId,
    scope,
    ...(input.beside !== undefined && { beside: input.beside }),
    deployer: { objectId: caller.objectId, tenantId: caller.tenantId, userPrincipalName: '' },
    deployment: {
      name: input.name,
      ...(scope.group === undefined && { location: scope.location }),
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

export async function prepare(
  plane: Plane,
  o: { scope: DeploymentScope; input: DeploymentInput; caller: Caller; fuel: Fuel },
): Promise<Prepared> {
  const { input, fuel } = o
  const environment = environmentOf({ plane, ...o })
  const section = await openSection({ template: input.template, given: input.parameters, environment, fuel })
  return { section, resources: await planResources(input.template, section.scope) }
}
