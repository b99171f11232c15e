/** Concurrent operations of one runner, for all principals. */
const shared = 16
/** Additional slots per principal when others fill the shared ones (attack W5). */
const own = 2
/** For all principals together. */
const most = 128

interface Waiting {
  /** The requester's object id; empty for the platform. */
  principal: string
}

/**
 * Which waiting operations begin now: the principal with the fewest in progress is next, and each principal's begin in
 * order. Running ones are not interrupted, so a principal that fills the shared slots could block others indefinitely:
 * each has additional slots of its own.
 * @param running number in progress per principal
 */
export function takePlaces<T extends Waiting>(waiting: readonly T[], running: ReadonlyMap<string, number>): T[] {
  const lines = new Map<string, T[]>()
  for (const each of waiting) {
    const line = lines.get(each.principal)
    if (line === undefined) lines.set(each.principal, [each])
    else line.push(each)
  }
  const counts = new Map(running)
  let total = [...running.values()].reduce((sum, count) => sum + count, 0)
  const taken: T[] = []
  while (total < most) {
    const [next] = [...lines]
      .filter(([, line]) => line.length > 0)
      .map(([principal, line]) => ({ line, principal, count: counts.get(principal) ?? 0 }))
      .filter(({ count }) => total < shared || count < own)
      .toSorted((a, b) => a.count - b.count)
    const first = next?.line.shift()
    if (next === undefined || first === undefined) break
    counts.set(next.principal, next.count + 1)
    total += 1
    taken.push(first)
  }
  return taken
}
