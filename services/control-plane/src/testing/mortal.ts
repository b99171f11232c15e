import type { Store, WireClient, WireRequest, WireResponse } from '@strongroom/platform'
import type { KyselyPlugin, RootOperationNode } from 'kysely'

const writes = new Set(['InsertQueryNode', 'UpdateQueryNode', 'DeleteQueryNode'])

/**
 * A process that can be ended between any two of its effects: it counts its writes and its requests to other services,
 * and dies before the n-th. Nothing it does afterwards reaches the database or another service, and its open
 * transactions are rolled back, as after kill -9.
 */
export class Mortal {
  /** Effects until death; undefined while immortal. */
  #left: number | undefined
  #dead = false
  readonly #onDeath: () => void
  readonly died: Promise<void>
  #tellDeath: () => void = () => {}

  /** @param onDeath called at the moment of death: a real process kills itself there */
  constructor(onDeath: () => void = () => {}) {
    this.#onDeath = onDeath
    this.died = new Promise((resolve) => (this.#tellDeath = resolve))
  }

  get dead(): boolean {
    return this.#dead
  }

  dieAt(n: number): void {
    this.#left = n
  }

  spare(): void {
    this.#left = undefined
  }

  /** Before an effect. @throws Error once dead */
  point(): void {
    if (!this.#dead && this.#left !== undefined && --this.#left <= 0) {
      this.#dead = true
      this.#onDeath()
      this.#tellDeath()
    }
    if (this.#dead) throw new Error('this process is dead')
  }

  /** The same store, for this process. It stays open when the process closes it. */
  store(inner: Store, onWrite: (table: string) => void = () => {}): Store {
    const plugin: KyselyPlugin = {
      transformQuery: ({ node }) => {
        if (writes.has((node as RootOperationNode).kind)) {
          this.point()
          onWrite(tableOf(node))
        } else if (this.#dead) throw new Error('this process is dead')
        return node
      },
      transformResult: ({ result }) => Promise.resolve(result),
    }
    return {
      ...inner,
      db: inner.db.withPlugin(plugin),
      transaction: async (work) => await inner.transaction(async (tx) => await work(tx.withPlugin(plugin))),
      close: async () => {},
    }
  }

  /** Other services, which outlive this process: it may die before an effect and before its answer arrives. */
  wire(inner: WireClient): WireClient {
    return {
      request: async <T>(o: WireRequest): Promise<WireResponse<T>> => {
        if (o.method !== 'GET') this.point()
        else if (this.#dead) throw new Error('this process is dead')
        const answer = await inner.request<T>(o)
        if (o.method !== 'GET') this.point()
        return answer
      },
      close: () => {},
    }
  }
}

/** The table of an update; empty for other statements. */
function tableOf(node: RootOperationNode): string {
  if (node.kind !== 'UpdateQueryNode') return ''
  const { table } = node as { table?: { table?: { identifier?: { name?: string } } } }
  return table?.table?.identifier?.name ?? ''
}
