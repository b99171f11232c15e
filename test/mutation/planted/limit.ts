/** The largest of these numbers below the limit; undefined if there is none. */
export function largestBelow(limit: number, numbers: number[]): number | undefined {
  let largest: number | undefined
  for (let index = 0; index < numbers.length; index++) {
    const each = numbers[index]!
    if (each < limit && (largest === undefined || each > largest)) largest = each
  }
  return largest
}
