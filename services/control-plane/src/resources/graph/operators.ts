import type { Fuel } from '@strongroom/platform'
import { compare, isSame, textOf } from './values.ts'

type Test = (a: unknown, b: unknown, fuel: Fuel) => boolean

const lower = (value: unknown, fuel: Fuel): string => textOf(value, fuel).toLowerCase()
/** Words with a blank on both sides. */
const words = (value: unknown, fuel: Fuel): string =>
  ` ${lower(value, fuel)
    .replaceAll(/[^a-z0-9]+/g, ' ')
    .trim()} `

const texts: Record<string, Test> = {
  contains: (a, b, fuel) => lower(a, fuel).includes(lower(b, fuel)),
  has: (a, b, fuel) => words(a, fuel).includes(words(b, fuel)),
  startswith: (a, b, fuel) => lower(a, fuel).startsWith(lower(b, fuel)),
  endswith: (a, b, fuel) => lower(a, fuel).endsWith(lower(b, fuel)),
}

/** Operators between two values, by their spelling in lower case. */
export const operators: ReadonlyMap<string, Test> = new Map<string, Test>([
  ['==', isSame],
  ['!=', (a, b, fuel) => !isSame(a, b, fuel)],
  ['=~', (a, b, fuel) => lower(a, fuel) === lower(b, fuel)],
  ['!~', (a, b, fuel) => lower(a, fuel) !== lower(b, fuel)],
  ['<', (a, b, fuel) => compare(a, b, fuel) < 0],
  ['<=', (a, b, fuel) => compare(a, b, fuel) <= 0],
  ['>', (a, b, fuel) => compare(a, b, fuel) > 0],
  ['>=', (a, b, fuel) => compare(a, b, fuel) >= 0],
  ...Object.entries(texts).flatMap(([name, test]): [string, Test][] => [
    [name, test],
    [`!${name}`, (a, b, fuel) => !test(a, b, fuel)],
  ]),
])
