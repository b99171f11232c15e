import { keyOf } from '../arm/ids/resource-id.ts'
import type { Meter, MeteredRow } from './meter.ts'
import type { ResourceType } from './resource-type.ts'

/** Every type of resource in groups. */
export class ResourceTypes {
  readonly all: readonly ResourceType[]
  /** In lower case, for metered types. */
  readonly metered: ReadonlySet<string>
  readonly #byKey: ReadonlyMap<string, ResourceType>
  readonly #rank: ReadonlyMap<string, number>

  /** @throws TypeError if a type is described twice or without its members, or refers to one that is not described */
  constructor(types: readonly ResourceType[]) {
    this.all = types.toSorted((a, b) => a.spelling.localeCompare(b.spelling))
    this.#byKey = new Map(this.all.map((type) => [keyOf(type.spelling), type]))
    if (this.#byKey.size < types.length) throw new TypeError('a resource type is described twice')
    for (const type of this.all)
      if (type.members === undefined && (type.create !== undefined || type.inParent === true))
        throw new TypeError(`${type.spelling} does not say which members its requests have`)
    for (const { spelling, refersTo = [] } of this.all)
      for (const other of refersTo)
        if (!this.#byKey.has(keyOf(other)))
          throw new TypeError(`${spelling} refers to ${other}, which is not a resource type`)
    this.metered = new Set([...this.#byKey].flatMap(([key, type]) => (type.meters === undefined ? [] : [key])))
    this.#rank = new Map(this.#deletionOrder().map((spelling, index) => [keyOf(spelling), index]))
  }

  /** @param type in any case; groups, deployments and others are not included */
  of(type: string): ResourceType | undefined {
    return this.#byKey.get(keyOf(type))
  }

  /** A type as its provider spells it; unchanged if unknown. */
  spellingOf(type: string): string {
    return this.of(type)?.spelling ?? type
  }

  /** Types of one namespace, without it. */
  within(namespace: string): string[] {
    return this.all
      .filter(({ spelling }) => spelling.startsWith(`${namespace}/`))
      .map(({ spelling }) => spelling.slice(namespace.length + 1))
  }

  /** Whether the type can have rows of nested resources. */
  hasRowsWithin(type: string): boolean {
    return this.all.some(({ spelling, inParent }) => inParent !== true && keyOf(spelling).startsWith(`${keyOf(type)}/`))
  }

  metersOf(row: MeteredRow | undefined): Meter[] {
    return row === undefined ? [] : (this.of(row.type)?.meters?.(row) ?? [])
  }

  /**
   * Resources in a possible deletion order, those of one type together: nested ones first, and referring ones before
   * what they refer to. Unknown types come last.
   */
  inDeletionOrder<T extends { type: string }>(resources: readonly T[]): T[] {
    const rankOf = ({ type }: T): number => this.#rank.get(type) ?? this.#rank.size
    return resources.toSorted((a, b) => rankOf(a) - rankOf(b) || a.type.localeCompare(b.type))
  }

  /** Every type after those nested in it or referring to it. */
  #deletionOrder(): string[] {
    const order: string[] = []
    const visit = (spelling: string): void => {
      if (order.includes(spelling)) return
      for (const { spelling: other, refersTo = [] } of this.all)
        if (refersTo.includes(spelling) || other.startsWith(`${spelling}/`)) visit(other)
      order.push(spelling)
    }
    for (const { spelling } of this.all) visit(spelling)
    return order
  }
}
