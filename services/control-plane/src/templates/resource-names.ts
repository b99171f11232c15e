import { withoutFinalSlashes } from '../arm/ids/resource-id.ts'
import { providerPath } from './ids.ts'

/** The parts of a resource that name it to others in its template. */
export interface NamedResource {
  key: string
  type: string
  name: string
  symbol: string | undefined
  loop: string | undefined
  scope: { loops: readonly { index: number }[] }
}

/** Microsoft.Network/virtualNetworks/v/subnets/s, as in ids, without the prefix. */
const alternating = (each: NamedResource): string =>
  providerPath(each.type, [each.name], 'dependsOn').slice('/providers/'.length)

/**
 * The resources of a template by every name that others in it may use: loop names, symbolic names, ids, `type/name` and
 * plain names all occur. Classified once, however many names are looked up (attack W22).
 */
export class ResourceNames<R extends NamedResource> {
  readonly #items = new Map<string, R[]>()
  /** The first kind with a match decides. */
  readonly #kinds: Map<string, R[]>[] = []

  constructor(resources: readonly R[]) {
    const [loops, symbols, ids, names, ends] = Array.from({ length: 5 }, () => {
      const kind = new Map<string, R[]>()
      this.#kinds.push(kind)
      return kind
    }) as [Map<string, R[]>, Map<string, R[]>, Map<string, R[]>, Map<string, R[]>, Map<string, R[]>]
    for (const each of resources) {
      const name = each.name.toLowerCase()
      const many = (each.symbol ?? each.loop)?.toLowerCase()
      const index = each.scope.loops.at(-1)?.index
      if (many !== undefined && index !== undefined) add(this.#items, `${many}[${index}]`, each)
      if (each.loop !== undefined) add(loops, each.loop.toLowerCase(), each)
      if (each.symbol !== undefined) add(symbols, each.symbol.toLowerCase(), each)
      for (const id of new Set([each.key, alternating(each).toLowerCase(), `${each.type}/${each.name}`.toLowerCase()]))
        add(ids, id, each)
      add(names, name, each)
      // Siblings may name a child resource without its parents' names.
      for (let at = name.indexOf('/'); at >= 0; at = name.indexOf('/', at + 1)) add(ends, name.slice(at + 1), each)
    }
  }

  /** Everything the name refers to. */
  find(wanted: string): R[] {
    const text = normalName(wanted)
    // One item of a loop: name[index].
    const item = /^(.+)\[(\d+)\]$/.exec(text)
    if (item !== null) return this.#items.get(`${item[1]}[${Number(item[2])}]`) ?? []
    for (const kind of this.#kinds) {
      const found = kind.get(text)
      if (found !== undefined) return found
    }
    return []
  }
}

/** Normal form of a name. Group ids have two spellings. */
export const normalName = (wanted: string): string =>
  withoutFinalSlashes(wanted.toLowerCase()).replace(
    /\/providers\/microsoft\.resources\/resourcegroups\//,
    '/resourcegroups/',
  )

/** `namespace/type/name/child/name` and `namespace/type/child/name/name` mean the same, and have one form here. */
export const unordered = (name: string): string => name.split('/').toSorted().join('/')

function add<R>(to: Map<string, R[]>, name: string, resource: R): void {
  const held = to.get(name)
  if (held === undefined) to.set(name, [resource])
  else held.push(resource)
}
