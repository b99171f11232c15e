import { ServiceError } from '../../errors/errors.ts'
import type { Store } from '../store-types.ts'
import type { Binding } from './binding.ts'
import { checkStore } from './check.ts'

/** Checking a large store must not dominate its server's work: it pauses this many times the last check's duration. */
const rest = 20

/**
 * Reads all rows repeatedly, for an engine that does not report foreign writes. While the last check found something,
 * the store refuses every use.
 * @param o.everyMs minimum time between two checks
 * @returns a function that ends it and resolves once the last check has ended
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
      // An unreachable database server has altered nothing.
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
