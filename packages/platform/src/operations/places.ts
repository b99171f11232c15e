/** Operations of one runner at a time, whoever asked for them. */
const shared = 16
/** Those that a principal may have under way also where others fill what is shared (attack W5). */
const own = 2
/** Of all principals together. */
const most = 128

interface Waiting {
  /** Who asked for it: an object id, or empty for the platform. */
  principal: string
}

/**
 * Which of those that wait begin now: the turn goes to who has the fewest under way, and each principal's begin in the order in
 * which they wait. What runs is not interrupted, so a principal that fills all that is shared would keep others waiting as long
 * as it likes: each has places of its own beyond that.
 * @param running how many each principal has under way
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
