import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

/** Resolves when the next slice may begin. */
let free: Promise<void> = Promise.resolve()

/**
 * Waits until the caller may work for a slice of some milliseconds at most. All evaluations share the slices, in order of
 * arrival: however many run, one of them works in a turn of the event loop, and after it everybody else has as much
 * time as it took (attack W22).
 */
export async function nextSlice(): Promise<void> {
  const before = free
  let end = (): void => {}
  free = new Promise((resolve) => (end = resolve))
  await before
  await nextTurn()
  void rest(performance.now()).then(end)
}

async function rest(began: number): Promise<void> {
  await nextTurn()
  await sleep(performance.now() - began)
}
