import { ServiceError } from '../../errors.ts'
import type { Store } from '../store-types.ts'
import type { Binding } from './binding.ts'
import { checkStore } from './check.ts'

/** A check of a large store must not be most of what its server does: it waits this many times as long as the last one took. */
const rest = 20

/**
 * Reads all rows again and again, for an engine that does not tell when somebody else has written. While the last check found
 * something, the store refuses every use.
 * @param o.everyMs least time between two checks
 * @returns ends it; resolves once the last check has ended
 */
export function watchStore(
  store: Pick<Store, 'db' | 'engine'>,
  binding: Binding,
  o: { everyMs: number },
): () => Promise<void> {
  let timer: NodeJS.Timeout | undefined
  let running = Promise.resolve()
  let isClosed = false
  const look = async (): Promise<void> => {
    const began = performance.now()
    try {
      await checkStore(store, binding)
      binding.refuse(undefined)
    } catch (error) {
      // A server of the database that is away has altered nothing.
      if (error instanceof ServiceError && error.code !== 'StoreUnavailable') binding.refuse(error)
    }
    if (!isClosed) wait(Math.max(o.everyMs, rest * (performance.now() - began)))
  }
  const wait = (ms: number): void => {
    timer = setTimeout(() => void (running = look()), ms).unref()
  }
  wait(o.everyMs)
  return async () => {
    isClosed = true
    clearTimeout(timer)
    await running
  }
}
