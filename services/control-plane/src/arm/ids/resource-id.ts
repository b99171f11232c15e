/** A parsed resource id. Parts keep their case; `key` is for comparing ids. */
export interface ResourceId {
  id: string
  key: string
  subscriptionId: string
  /** Empty for resources of a subscription or of the tenant, such as some deployments. */
  resourceGroup: string
  /** For example Microsoft.Network/virtualNetworks/subnets; Microsoft.Resources/resourceGroups for a group. */
  type: string
  name: string
  /** Names matching the types; the last one is `name`. */
  names: string[]
}

/** The look-behind makes each run of slashes be examined once; otherwise a text of many slashes takes quadratic time (attack W22). */
export const withoutFinalSlashes = (text: string): string => text.replace(/(?<!\/)\/+$/, '')

export const keyOf = (id: string): string => withoutFinalSlashes(id.toLowerCase())

/** The id's parts, or undefined if the text is not the id of a group or a resource. */
export function parseResourceId(id: string): ResourceId | undefined {
  const parts = withoutFinalSlashes(id).split('/')
  if (parts[0] !== '' || parts.some((part, index) => index > 0 && (part === '' || !isSegment(part)))) return undefined
  const outside = parseOutsideGroups(parts)
  if (outside !== undefined) return outside
  const [, subscriptions, subscriptionId, groups, resourceGroup, providers, namespace, ...rest] = parts
  if (subscriptions?.toLowerCase() !== 'subscriptions' || groups?.toLowerCase() !== 'resourcegroups') return undefined
  if (resourceGroup === undefined) return undefined
  const common = { id: parts.join('/'), key: keyOf(id), subscriptionId: subscriptionId!, resourceGroup }
  if (providers === undefined) {
    return { ...common, type: 'Microsoft.Resources/resourceGroups', name: resourceGroup, names: [resourceGroup] }
  }
  if (providers.toLowerCase() !== 'providers') return undefined
  if (rest.length === 0 || rest.length % 2 !== 0) return undefined
  const types = rest.filter((_, index) => index % 2 === 0)
  const names = rest.filter((_, index) => index % 2 === 1)
  return { ...common, type: [namespace, ...types].join('/'), name: names.at(-1)!, names }
}

/** Resources of a subscription or of the tenant; the last provider of the id names the type. */
function parseOutsideGroups(parts: string[]): ResourceId | undefined {
  const lower = parts.map((part) => part.toLowerCase())
  const subscription = lower[1] === 'subscriptions'
  if (lower[subscription ? 3 : 1] !== 'providers') return undefined
  const [namespace, ...rest] = parts.slice(lower.lastIndexOf('providers') + 1)
  if (rest.length === 0 || rest.length % 2 !== 0) return undefined
  const id = parts.join('/')
  const types = rest.filter((_, index) => index % 2 === 0)
  const names = rest.filter((_, index) => index % 2 === 1)
  return {
    id,
    key: keyOf(id),
    subscriptionId: subscription ? parts[2]! : '',
    resourceGroup: '',
    type: [namespace, ...types].join('/'),
    name: names.at(-1)!,
    names,
  }
}

/** Control characters, and dot segments that a path normaliser might fold, are never part of a name. */
function isSegment(part: string): boolean {
  // oxlint-disable-next-line no-control-regex -- they are what is refused
  return part !== '.' && part !== '..' && !/[\u0000-\u001f\u007f\\?#%<>]/.test(part)
}
