import type { Dialect, Driver, Kysely, QueryCompiler } from 'kysely'
import type { Binding } from './binding.ts'
import { BoundDriver } from './bound-driver.ts'

/** A dialect whose statements all pass through the binding. */
export class BoundDialect implements Dialect {
  readonly #inner: Dialect
  readonly #binding: Binding

  constructor(o: { inner: Dialect; binding: Binding }) {
    this.#inner = o.inner
    this.#binding = o.binding
  }

  createDriver(): Driver {
    return new BoundDriver({
      inner: this.#inner.createDriver(),
      binding: this.#binding,
      compiler: this.#inner.createQueryCompiler(),
    })
  }

  createQueryCompiler(): QueryCompiler {
    return this.#inner.createQueryCompiler()
  }

  createAdapter(): ReturnType<Dialect['createAdapter']> {
    return this.#inner.createAdapter()
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- Dialect's own signature
  createIntrospector(db: Kysely<any>): ReturnType<Dialect['createIntrospector']> {
    return this.#inner.createIntrospector(db)
  }
}
