import { withoutFinalSlashes } from '../arm/ids/resource-id.ts'
import type { Environment } from './environment.ts'
import { TemplateError } from './template-error.ts'
import type { Value } from './values.ts'

/** `/providers/{namespace}/{type}/{name}…` for a type with as many names as parts. */
export function providerPath(type: string, names: string[], of: string): string {
  const [namespace, ...types] = type.split('/')
  const parts = names.flatMap((each) => each.split('/'))
  if (namespace === undefined || types.length === 0 || types.length !== parts.length || parts.includes('')) {
    throw new TemplateError(
      `Unable to evaluate the template language function '${of}': the type '${type.slice(0, 120)}' requires ` +
        `${types.length} resource name argument(s)`,
      { expected: `${types.length} names`, found: `${parts.length} names` },
    )
  }
  return `/providers/${namespace}/${types.map((each, index) => `${each}/${parts[index]}`).join('/')}`
}

const managementGroups = '/providers/Microsoft.Management/managementGroups'

/** The id of a resource at a scope. Only resource groups have no provider in their id. */
export function at(scopeId: string, type: string, names: string[], of: string): string {
  const path = providerPath(type, names, of)
  if (type.toLowerCase() !== 'microsoft.resources/resourcegroups') return `${scopeId}${path}`
  return `${scopeId.split('/').slice(0, 3).join('/')}/resourceGroups/${names.join('')}`
}

function split(args: Value[], of: string): { before: string[]; type: string; names: string[] } {
  const texts = args.map((each) => {
    if (typeof each === 'string') return each
    throw new TemplateError(`The template function '${of}' expects strings`)
  })
  const first = texts.findIndex((each) => each.includes('/'))
  if (first === -1)
    throw new TemplateError(`The template function '${of}' needs a resource type such as Microsoft.Compute/disks`)
  // 'Microsoft.Network/virtualNetworks/' includes the type.
  return { before: texts.slice(0, first), type: withoutFinalSlashes(texts[first]!), names: texts.slice(first + 1) }
}

export const resourceIdFunctions: ReadonlyMap<string, (args: Value[], environment: Environment) => Value> = new Map([
  [
    'resourceid',
    (args: Value[], environment: Environment) => {
      const { before, type, names } = split(args, 'resourceId')
      if (before.length > 2)
        throw new TemplateError("The template function 'resourceId' has too many names before the type")
      const { group } = environment.scope
      // Outside a group the function refers to the scope's own resources; a single name is then a subscription.
      if (group === undefined && before.length < 2)
        return at(before.length === 1 ? `/subscriptions/${before[0]}` : environment.scope.id, type, names, 'resourceId')
      const subscription = before.length === 2 ? before[0]! : environment.subscriptionId
      return at(
        `/subscriptions/${subscription}/resourceGroups/${before.at(-1) ?? group?.name}`,
        type,
        names,
        'resourceId',
      )
    },
  ],
  [
    'subscriptionresourceid',
    (args: Value[], environment: Environment) => {
      const { before, type, names } = split(args, 'subscriptionResourceId')
      const subscription = before[0] ?? environment.subscriptionId
      return at(`/subscriptions/${subscription}`, type, names, 'subscriptionResourceId')
    },
  ],
  [
    'tenantresourceid',
    (args: Value[]) => {
      const { type, names } = split(args, 'tenantResourceId')
      return providerPath(type, names, 'tenantResourceId')
    },
  ],
  [
    'managementgroupresourceid',
    (args: Value[], environment: Environment) => {
      const { before, type, names } = split(args, 'managementGroupResourceId')
      const group = before[0] ?? environment.scope.id.split('/').at(-1) ?? ''
      return `${managementGroups}/${group}${providerPath(type, names, 'managementGroupResourceId')}`
    },
  ],
  [
    'extensionresourceid',
    (args: Value[]) => {
      const [base, ...rest] = args
      const { type, names } = split(rest, 'extensionResourceId')
      if (typeof base !== 'string')
        throw new TemplateError("The template function 'extensionResourceId' expects an id first")
      return `${base}${providerPath(type, names, 'extensionResourceId')}`
    },
  ],
])
