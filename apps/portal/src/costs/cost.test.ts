import { expect, it } from 'vitest'
import { csvOf } from '@strongroom/contract'
import { money } from './cost.ts'

it('a name that a spreadsheet would run is text in the CSV, and numbers stay numbers', () => {
  expect(
    csvOf(
      ['a', 'b'],
      [
        ['=HYPERLINK("x")', -0.5],
        ['a,b', 1],
      ],
    ),
  ).toBe('a,b\r\n"\'=HYPERLINK(""x"")",-0.5\r\n"a,b",1\r\n')
})

it('a sum without a currency claims none', () => {
  expect(money(1.5, undefined)).toBe('1.50')
  expect(money(1.5, 'EUR')).toMatch(/€|EUR/)
})
