import { allSizes } from './sizes.ts'

const plain = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '')
    .replace(/^standard/, '')

/** The size that a mistyped name may mean: it differs only in punctuation and case, or in one letter. Undefined if none is close. */
export function nearestSize(name: string): string | undefined {
  const wanted = plain(name.slice(0, 80))
  if (wanted === '') return undefined
  const sizes = allSizes().map((size) => size.name)
  return sizes.find((each) => plain(each) === wanted) ?? sizes.find((each) => oneOff(plain(each), wanted))
}

/** Whether they differ only by one extra, missing or other letter. A digit is not a typo: it means another size. */
function oneOff(a: string, b: string): boolean {
  const [long, short] = a.length >= b.length ? [a, b] : [b, a]
  if (long.length - short.length > 1) return false
  let at = 0
  while (at < short.length && long[at] === short[at]) at += 1
  const replaced = long.length === short.length
  const signs = long.slice(at, at + 1) + (replaced ? short.slice(at, at + 1) : '')
  return !/\d/.test(signs) && long.slice(at + 1) === short.slice(replaced ? at + 1 : at)
}
