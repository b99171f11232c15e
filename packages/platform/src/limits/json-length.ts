/** What a number, a constant or the frame of a value counts. */
const perValue = 8

/**
 * About how many characters a value takes as JSON, in time proportional to what is counted. Parts that are shared
 * count each time they occur.
 * @param most counting ends soon after it
 */
export function jsonLength(value: unknown, most: number = Number.POSITIVE_INFINITY): number {
  let length = 0
  const pending: unknown[] = [value]
  while (pending.length > 0 && length <= most) {
    const next = pending.pop()
    length += perValue
    if (typeof next === 'string') length += next.length
    else if (Array.isArray(next)) {
      for (const item of next) pending.push(item)
    } else if (typeof next === 'object' && next !== null) {
      for (const [name, member] of Object.entries(next)) {
        length += name.length
        pending.push(member)
      }
    }
  }
  return length
}
