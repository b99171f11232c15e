import fc from 'fast-check'
import { expect, it } from 'vitest'
import { csvOf } from './csv.ts'
import { visibleText } from './visible-text.ts'

/** RFC 4180, as a reader parses it. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let cell = ''
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (quoted && character === '"' && text[at + 1] === '"') cell += text[++at]
    else if (character === '"') quoted = !quoted
    else if (!quoted && character === ',') cell = (row.push(cell), '')
    else if (!quoted && character === '\r' && text[at + 1] === '\n') {
      rows.push([...row, cell])
      row = []
      cell = ''
      at++
    } else cell += character
  }
  return rows
}

it('a table comes out of its CSV as it went in, whatever the names hold', () => {
  const cells = fc.array(
    fc.string({ unit: 'grapheme' }).filter((text) => !/^[=+\-@\t\r]/.test(text)),
    { minLength: 2, maxLength: 2 },
  )
  fc.assert(
    fc.property(fc.array(cells), (rows) => {
      expect(parseCsv(csvOf(['a', 'b,"c"'], rows))).toEqual([
        ['a', 'b,"c"'],
        ...rows.map((row) => row.map((text) => visibleText(text))),
      ])
    }),
  )
})

it('no name of a tenant becomes a formula in a spreadsheet, and numbers stay numbers', () => {
  expect(csvOf(['a'], [['=HYPERLINK("x")'], ['-0.5'], [null]])).toBe('a\r\n"\'=HYPERLINK(""x"")"\r\n-0.5\r\n\r\n')
})
