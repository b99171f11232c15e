import type { Environment } from './evaluate.ts'
import { TemplateError } from './template-error.ts'
import type { Value } from './values.ts'

/** `/providers/{namespace}/{type}/{name}…` of a type with as many names as it has parts. */
export function providerPath(type: string, names: string[], of: string): string {
  const [namespace, ...types] = type.split('/')
  const parts = names.flatMap((each) => each.split('/'))
  if (namespace === undefined || types.length === 0 || types.length !== parts.length || parts.includes('')) {
    throw new TemplateError(
      `Unable to evaluate the template language function '${of}': the type '${type.slice(0, 120)}' requires ${types.length} resource name argument(s)`,
      { expected: `${types.length} names`, found: `${parts.length} names` },
    )
  }
  return `/providers/${namespace}/${types.map((each, index) => `${each}/${parts[index]}`).join('/')}`
}

function split(args: Value[], of: string): { before: string[]; type: string; names: string[] } {
  const texts = args.map((each) => {
    if (typeof each === 'string') return each
    throw new TemplateError(`The template function '${of}' expects strings`)
  })
  const at = texts.findIndex((each) => each.includes('/'))
  if (at === -1)
    throw new TemplateError(`The template function '${of}' needs a resource type such as Microsoft.Compute/disks`)
  return { before: texts.slice(0, at), type: texts[at]!, names: texts.slice(at + 1) }
}

export const resourceIdFunctions: ReadonlyMap<string, (args: Value[], environment: Environment) => Value> = new Map([
  [
    'resourceid',
    (args: Value[], environment: Environment) => {
      const { before, type, names } = split(args, 'resourceId')
      if (before.length > 2)
        throw new TemplateError("The template function 'resourceId' has too many names before the type")
      const subscription = before.length === 2 ? before[0]! : environment.subscriptionId
      const group = before.at(-1) ?? environment.group.name
      return `/subscriptions/${subscription}/resourceGroups/${group}${providerPath(type, names, 'resourceId')}`
    },
  ],
  [
    'subscriptionresourceid',
    (args: Value[], environment: Environment) => {
      const { before, type, names } = split(args, 'subscriptionResourceId')
      const subscription = before[0] ?? environment.subscriptionId
      return `/subscriptions/${subscription}${providerPath(type, names, 'subscriptionResourceId')}`
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
