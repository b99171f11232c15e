import type { FastifyRequest } from '@strongroom/platform'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { fits, readFilter } from './directory.ts'

const read = (filter: unknown): ReturnType<typeof readFilter> =>
  readFilter({ query: { $filter: filter } } as unknown as FastifyRequest)
const quote = (value: string): string => `'${value.replaceAll("'", "''")}'`
const value = fc.string({ maxLength: 60 }).filter((text) => text.trim() === text)

it('filters find what has the values, whatever stands in them', () => {
  fc.assert(
    fc.property(value, value, (displayName, mailNickname) => {
      const filter = read(`displayName eq ${quote(displayName)} and mailNickname eq ${quote(mailNickname)}`)
      expect(filter).toHaveLength(2)
      expect(fits(filter, { displayName, mailNickname })).toBe(true)
      expect(fits(filter, { displayName, mailNickname: `${mailNickname}x` })).toBe(false)
      expect(fits(read(`startswith(displayName,${quote(displayName)})`), { displayName: `${displayName}y` })).toBe(true)
    }),
  )
})

it('values hold the words that join conditions', () => {
  expect(read("displayName eq 'this and that' and mailNickname eq 'a'' and ''b'")).toHaveLength(2)
  expect(read("servicePrincipalNames/any(c:c eq 'x and y')")).toEqual([
    { property: 'servicePrincipalNames', value: 'x and y', prefix: false },
  ])
})

it('other filters are refused, not passed over', () => {
  const others = [
    "displayName ne 'a'",
    "displayName eq 'a' or true",
    "displayName eq 'a",
    'and',
    ['a', 'b'],
    'x'.repeat(5000),
    `a${' '.repeat(15_000)}b`,
  ]
  for (const other of others) expect(() => read(other), String(other).slice(0, 40)).toThrow(/Unsupported/)
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      try {
        read(text)
      } catch (error) {
        expect((error as { code?: string }).code).toBe('Request_UnsupportedQuery')
      }
    }),
  )
})
