import { ServiceError } from '@strongroom/platform'

/** JSON as the instance endpoint serves it: every leaf is a text. */
export type MetadataNode = string | MetadataNode[] | { [name: string]: MetadataNode }

/**
 * The part of a document that a path names, in any case as in Azure. Numbers select list members.
 * @throws ServiceError NotFound
 */
export function findNode(root: MetadataNode, path: readonly string[]): MetadataNode {
  let node = root
  for (const name of path) {
    const next = childOf(node, name)
    if (next === undefined) throw new ServiceError({ code: 'NotFound', message: 'Not found' })
    node = next
  }
  return node
}

function childOf(node: MetadataNode, name: string): MetadataNode | undefined {
  if (typeof node === 'string') return undefined
  if (Array.isArray(node)) return /^\d{1,4}$/.test(name) ? node[Number(name)] : undefined
  const found = Object.keys(node).find((each) => each.toLowerCase() === name.toLowerCase())
  return found === undefined ? undefined : node[found]
}

/** `format=text`: a leaf is its value; anything else is a list of names, one per line, with `/` after those with parts. */
export function textOf(node: MetadataNode): string {
  if (typeof node === 'string') return node
  return Object.entries(node)
    .map(([name, child]) => (typeof child === 'string' ? name : `${name}/`))
    .join('\n')
}
